//! The matrix product of the encoder's widest layer.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pointsman_kernels::{Packed, PackedInt8, Rounded, gelu};

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("kernels");
    for tokens in [12_usize, 64, 128] {
        let (inputs, outputs) = (384, 1536);
        let weight = Packed::new(&vec![0.01; inputs * outputs], outputs, inputs);
        let (x, bias, mut out) =
            (vec![0.5; tokens * inputs], vec![0.1; outputs], vec![0.0; tokens * outputs]);
        // two operations for each multiplication and addition: elements/s are FLOP/s
        group.throughput(Throughput::Elements((2 * tokens * inputs * outputs) as u64));
        group.bench_function(format!("product/{tokens} tokens"), |b| {
            b.iter(|| weight.multiply(black_box(&x), inputs, &bias, &mut out, outputs));
        });
        let int8 = PackedInt8::new(&vec![140; inputs * outputs], &vec![0.01; outputs], inputs);
        let mut rounded = Rounded::default();
        group.bench_function(format!("product in int8/{tokens} tokens"), |b| {
            b.iter(|| int8.multiply(black_box(&x), &bias, &mut out, &mut rounded));
        });
        group.throughput(Throughput::Elements((tokens * outputs) as u64));
        group.bench_function(format!("gelu/{tokens} tokens"), |b| b.iter(|| gelu(black_box(&mut out))));
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = bench
}
criterion_main!(benches);

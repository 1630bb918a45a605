//! Which copy of a loop runs: decided by the processor, once.

#[cfg(target_arch = "x86_64")]
use std::sync::LazyLock;

/// Whether the AVX2 and FMA copies run.
pub fn vectorised() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        static FOUND: LazyLock<bool> =
            LazyLock::new(|| is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"));
        *FOUND
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Defines `fn name(args)` that runs `body::<true>` compiled for AVX2 and FMA where the processor has both, and
/// `body::<FMA>` compiled for the baseline elsewhere. `body` must be `#[inline(always)]`.
macro_rules! dispatch {
    ($(#[$doc:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? = $body:ident) => {
        $(#[$doc])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name($($arg: $ty),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn wide($($arg: $ty),*) $(-> $ret)? {
                    $body::<true>($($arg),*)
                }
                if $crate::dispatch::vectorised() {
                    // SAFETY: `wide` needs AVX2 and FMA, and `vectorised` has just said that they are there.
                    #[allow(unsafe_code)]
                    return unsafe { wide($($arg),*) };
                }
            }
            $body::<{ cfg!(target_arch = "aarch64") }>($($arg),*)
        }
    };
}

pub(crate) use dispatch;

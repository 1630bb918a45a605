//! State that outlives an actor: one writes, many read without a lock.

use std::{fmt, sync::Arc};

use arc_swap::{ArcSwap, Guard};

/// A published value. Cheap to clone; all clones see the same value.
pub struct Cell<T> {
    inner: Arc<ArcSwap<T>>,
}

impl<T> Cell<T> {
    /// A cell that holds `value`.
    pub fn new(value: T) -> Self {
        Self { inner: Arc::new(ArcSwap::from_pointee(value)) }
    }

    /// The value of this moment, without touching its reference count. Keep it short and not over an await.
    pub fn load(&self) -> Guard<Arc<T>> {
        self.inner.load()
    }

    /// The value of this moment, to keep.
    pub fn load_full(&self) -> Arc<T> {
        self.inner.load_full()
    }

    /// Publishes a new value.
    pub fn store(&self, value: T) {
        self.inner.store(Arc::new(value));
    }
}

impl<T> Clone for Cell<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<T: Default> Default for Cell<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: fmt::Debug> fmt::Debug for Cell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cell").field(&*self.load()).finish()
    }
}

//! Asking for memory before it is needed.

/// Has an entry of a table brought into the nearest cache, where the machine can; nothing else
/// comes of it. An entry that the table doesn't have is not asked for.
#[inline]
pub fn ask_for<T>(table: &[T], index: usize) {
    let Some(entry) = table.get(index) else {
        return;
    };
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: the address is that of a reference, and a prefetch reads nothing that is seen.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(entry).cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = entry;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_asked_for_the_table_stays() {
        let table = [1u64, 2, 3];
        for index in [0, 2, 3, usize::MAX] {
            ask_for(&table, index);
        }
        ask_for::<u8>(&[], 0);
        assert_eq!(table, [1, 2, 3]);
    }
}

use std::sync::LazyLock;

use vectors::{Matrix, multiply};

/// Values of a vector, at most.
pub(super) const VECTOR: usize = 16;

/// Rows of a product that gemm is asked for at once where the columns are whole vectors. Its kernels for AVX-512 take six, and it multiplies
/// eight times as many with columns where they lie: for more it packs these, anew for every product. Narrower vectors are faster on what it packs.
static PIECE: LazyLock<usize> = LazyLock::new(|| if has_avx512() { 8 * 6 } else { usize::MAX });

/// `out = a b`, or `out += a b`; the rows of `out` begin `stride` values apart. On this thread alone.
pub(super) fn product(out: &mut [f32], stride: usize, a: Matrix<'_>, b: Matrix<'_>, add: bool) {
    let (m, n) = (a.count(), b.width());
    if n == 0 {
        return;
    }
    let rows = if n.is_multiple_of(VECTOR) && b.is_row_major() { *PIECE } else { m };
    for row in (0..m).step_by(rows.max(1)) {
        multiply(&mut out[row * stride..], stride, a.slice(row..m.min(row.saturating_add(rows))), b, add);
    }
}

fn has_avx512() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx512f");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

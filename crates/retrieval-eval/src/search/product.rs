use ndarray::ArrayView2;

/// Puts the inner product of query `i` and document `j` at `out[i * documents.nrows() + j]`.
///
/// # Panics
/// If the dimensions differ or `out` is not as long as the product.
#[allow(unsafe_code)]
pub(crate) fn inner_products(documents: ArrayView2<'_, f32>, queries: ArrayView2<'_, f32>, out: &mut [f32]) {
    let (rows, dim) = documents.dim();
    let columns = queries.nrows();
    assert_eq!(dim, queries.ncols(), "dimensions of documents and queries");
    assert_eq!(out.len(), rows * columns, "length of the output");
    let (document_strides, query_strides) = (documents.strides(), queries.strides());
    // SAFETY: an ndarray view guarantees that each index within its shape, times its strides, is readable memory;
    // `gemm` reads `documents[i, l]` and `queries[j, l]` for i < rows, j < columns, l < dim only. It writes element
    // (i, j) at `out[i + j * rows]`, within `out` by the assertion above, which `&mut` makes exclusive. It does not
    // read the output, because `read_dst` is false.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            dim,
            out.as_mut_ptr(),
            rows as isize,
            1,
            false,
            documents.as_ptr(),
            document_strides[1],
            document_strides[0],
            queries.as_ptr(),
            query_strides[0],
            query_strides[1],
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, s};

    use super::*;

    #[test]
    fn the_product_of_strided_views_is_that_of_their_elements() {
        let documents = Array2::from_shape_fn((14, 6), |(i, j)| (i * 7 + j * 3 % 5) as f32);
        let queries = Array2::from_shape_fn((3, 5), |(i, j)| i as f32 - j as f32);
        for documents in [documents.slice(s![..;2, 1..4]), documents.slice(s![..;-1, ..;-2])] {
            let queries = queries.slice(s![.., ..;2]);
            let mut out = vec![f32::NAN; documents.nrows() * queries.nrows()];
            inner_products(documents, queries, &mut out);
            let naive = queries.dot(&documents.t());
            assert_eq!(out, naive.iter().copied().collect::<Vec<_>>());
        }
    }
}

//! What another library writes is read, and what is written here it reads.

#![allow(clippy::unwrap_used, reason = "a test")]

use npyz::WriterBuilder;
use vectors::{Element, NpyVectors, read_array, write_array};

fn theirs<T: npyz::AutoSerialize + Copy>(shape: &[u64], values: &[T]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut array = npyz::WriteOptions::new().default_dtype().shape(shape).writer(&mut bytes).begin_nd().unwrap();
    array.extend(values.iter().copied()).unwrap();
    array.finish().unwrap();
    bytes
}

fn check<T: Element + npyz::AutoSerialize + npyz::Deserialize + PartialEq + std::fmt::Debug>(
    shape: &[usize],
    values: &[T],
) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("array.npy");
    let lengths: Vec<u64> = shape.iter().map(|&length| length as u64).collect();
    std::fs::write(&path, theirs(&lengths, values)).unwrap();
    assert_eq!(read_array::<T>(&path, shape).unwrap(), values);

    let mut ours = Vec::new();
    write_array(&mut ours, shape, values.iter().copied()).unwrap();
    let array = npyz::NpyFile::new(&ours[..]).unwrap();
    assert_eq!(array.shape(), lengths);
    assert_eq!(array.order(), npyz::Order::C);
    assert_eq!(array.into_vec::<T>().unwrap(), values);
}

#[test]
fn arrays_of_every_type_and_of_no_to_three_dimensions_are_the_same() {
    check(&[2, 3], &[1.5_f32, -2.0, 0.0, f32::MAX, 1e-40, -0.5]);
    check(&[2], &[1.5_f64, f64::MIN]);
    check(&[], &[7_u32]);
    check(&[1, 2, 2], &[1_u64, 2, 3, u64::MAX]);
    check(&[3], &[-1_i32, i32::MAX, 0]);
    check(&[1], &[i64::MIN]);
    check(&[3], &[0_u8, 1, 255]);
    check(&[2], &[-1_i8, 127]);
    check(&[2], &[1_u16, 65_535]);
    check(&[2], &[-1_i16, 32_767]);
    check::<f32>(&[0, 4], &[]);
}

#[test]
fn rows_of_another_writer_are_mapped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.npy");
    std::fs::write(&path, theirs(&[2, 2], &[1.0_f32, 0.0, 0.6, 0.8])).unwrap();
    assert_eq!(NpyVectors::open(&path).unwrap().array().unwrap(), ndarray::array![[1.0, 0.0], [0.6, 0.8]]);
}

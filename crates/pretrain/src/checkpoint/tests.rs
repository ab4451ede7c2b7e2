//! Checkpoints written, damaged and read again.

use std::error::Error;
use std::fs;
use std::io::{self, ErrorKind};
use std::num::NonZeroUsize;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::*;

const FILES: [&str; 2] = ["state.json", "state.safetensors"];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Header {
    seed: u64,
    losses: Vec<f64>,
}

fn header() -> Header {
    let losses = (1..100).map(|n| (f64::from(n) * 0.7).exp().recip()).chain([f64::MIN_POSITIVE, 5e-324, -0.0]);
    Header { seed: u64::MAX, losses: losses.collect() }
}

fn tensor(name: &str, shape: &[usize], values: &[f32]) -> NamedTensor {
    NamedTensor { name: name.into(), shape: shape.into(), values: values.into() }
}

fn weights(seed: u64) -> Vec<NamedTensor> {
    let values: Vec<f32> = (0..64).map(|n| (n as f32 + seed as f32).sin()).collect();
    vec![tensor("weights", &[8, 8], &values)]
}

fn store_of(folder: &TempDir, keep: usize) -> Store {
    Store::new(folder.path().join("checkpoints"), NonZeroUsize::new(keep).unwrap())
}

fn write(store: &Store, step: u64) -> Result<(), CheckpointError> {
    store.write(step, &header(), &weights(step), |folder| fs::write(folder.join("model"), step.to_string()))
}

/// A store that keeps all, with checkpoints of `steps`.
fn written(steps: &[u64]) -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = store_of(&folder, 99);
    steps.iter().for_each(|&step| write(&store, step).unwrap());
    (folder, store)
}

fn latest(store: &Store) -> Found<Header> {
    store.latest().unwrap()
}

fn step_of_latest(store: &Store) -> Option<u64> {
    latest(store).state.map(|state| state.step)
}

/// Names in the store's folder, sorted.
fn names(store: &Store) -> Vec<String> {
    let folder = store.folder_of(0);
    let entries = fs::read_dir(folder.parent().unwrap()).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn chain(error: &CheckpointError) -> String {
    format!("{error}: {}", error.source().unwrap())
}

fn bits(tensor: &NamedTensor) -> Vec<u32> {
    tensor.values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn every_bit_name_shape_and_place_comes_back() {
    let odd = [0x7fc0_0001, 0xffc1_2345, 0x7f80_0001, 0x8000_0000, 1, 0x007f_ffff, 0x7f80_0000, 0xff80_0000];
    let tensors = [
        tensor("z", &[2, 4], &odd.map(f32::from_bits)),
        tensor("a name with spaces", &[], &[f32::MAX]),
        tensor("__metadata__", &[0], &[]),
        tensor("", &[3, 0, 2], &[]),
        tensor("z", &[1, 1], &[f32::MIN_POSITIVE]),
    ];
    let many = (0..200).map(|n| tensor(&n.to_string(), &[1], &[n as f32]));
    let tensors: Vec<NamedTensor> = tensors.into_iter().chain(many).collect();
    let folder = tempfile::tempdir().unwrap();
    let store = store_of(&folder, 1);
    store.write(u64::MAX, &header(), &tensors, |_| io::Result::Ok(())).unwrap();
    let Found { state, damaged } = latest(&store);
    let state = state.unwrap();
    assert_eq!((state.step, damaged), (u64::MAX, vec![]));
    assert_eq!(state.header, header());
    assert!(state.header.losses.last().unwrap().is_sign_negative());
    assert_eq!(state.tensors.len(), tensors.len());
    for (read, written) in state.tensors.iter().zip(&tensors) {
        assert_eq!((&read.name, &read.shape, bits(read)), (&written.name, &written.shape, bits(written)));
    }
}

#[test]
fn a_state_without_tensors_is_a_state() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_of(&folder, 1);
    store.write(0, &(), &[] as &[NamedTensor], |_| io::Result::Ok(())).unwrap();
    assert_eq!(store.latest::<()>().unwrap().state.unwrap(), State { step: 0, header: (), tensors: vec![] });
}

#[test]
fn a_store_that_is_not_there_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_of(&folder, 1);
    assert!(store.steps().unwrap().is_empty());
    assert_eq!(latest(&store), Found { state: None, damaged: vec![] });
    store.remove_all().unwrap();
}

#[test]
#[should_panic(expected = "tensor w of shape [2, 2]")]
fn values_that_do_not_fill_their_shape_are_the_callers_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let _ = store_of(&folder, 1).write(1, &(), &[tensor("w", &[2, 2], &[1.0])], |_| io::Result::Ok(()));
}

#[test]
fn the_newest_and_the_protected_stay() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store_of(&folder, 2);
    for step in [5, 10, 15, 100, 1000] {
        if step == 15 {
            store.protect([5]);
        }
        write(&store, step).unwrap();
    }
    assert_eq!(store.steps().unwrap(), [5, 100, 1000]);
    store.protect([100]);
    write(&store, 2000).unwrap();
    write(&store, 3000).unwrap();
    assert_eq!(store.steps().unwrap(), [100, 2000, 3000]);
    assert_eq!(names(&store), ["step-100", "step-2000", "step-3000"]);
}

#[test]
fn what_is_written_is_the_latest_even_where_later_ones_were_there() {
    let (_folder, store) = written(&[1, 2, 3]);
    write(&store, 2).unwrap();
    assert_eq!(store.steps().unwrap(), [1, 2]);
    let (folder, _) = written(&[10, 20]);
    flip(&store_of(&folder, 1), 20, "state.json", 0);
    let store = store_of(&folder, 1);
    write(&store, 15).unwrap();
    assert_eq!(store.steps().unwrap(), [15], "a damaged one takes nobody's place");
}

#[test]
fn a_checkpoint_of_the_same_step_is_replaced() {
    let (_folder, store) = written(&[1, 2]);
    let old = fs::read(store.folder_of(2).join("state.safetensors")).unwrap();
    store.write(2, &header(), &weights(7), |_| io::Result::Ok(())).unwrap();
    assert_eq!(latest(&store).state.unwrap().tensors, weights(7));
    assert_ne!(fs::read(store.folder_of(2).join("state.safetensors")).unwrap(), old);
    assert!(!store.folder_of(2).join("model").exists(), "nothing of the old one is left in it");
    assert_eq!(names(&store), ["step-1", "step-2"]);
}

#[test]
fn foreign_names_are_neither_read_nor_removed() {
    let (folder, store) = written(&[7]);
    let root = folder.path().join("checkpoints");
    let foreign = ["best", "step-007", "step-+9", "step-9.old", "step-x", "step-99999999999999999999"];
    foreign.iter().for_each(|name| fs::create_dir(root.join(name)).unwrap());
    fs::write(root.join("step-8"), "a file").unwrap();
    assert_eq!(store.steps().unwrap(), [7]);
    assert_eq!(step_of_latest(&store), Some(7));
    write(&store, 10).unwrap();
    store.remove_all().unwrap();
    assert_eq!(names(&store).len(), foreign.len() + 1);
}

#[test]
fn remove_all_takes_leftovers_too() {
    let (_folder, store) = written(&[1, 2]);
    for leftover in ["step-2.partial", "step-3.replaced"] {
        fs::create_dir_all(store.folder_of(1).with_file_name(leftover).join("inner")).unwrap();
    }
    store.remove_all().unwrap();
    assert_eq!(names(&store), Vec::<String>::new());
}

/// Flips one bit, another at each position.
fn flip(store: &Store, step: u64, file: &str, position: usize) {
    let path = store.folder_of(step).join(file);
    let mut bytes = fs::read(&path).unwrap();
    bytes[position] ^= 1 << (position % 8);
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_flipped_bit_anywhere_in_either_file_is_found() {
    let (_folder, store) = written(&[100, 200]);
    for file in FILES {
        let length = fs::read(store.folder_of(200).join(file)).unwrap().len();
        for position in (0..length).step_by((length / 200).max(1)) {
            flip(&store, 200, file, position);
            let found = latest(&store);
            assert_eq!(
                found.damaged[0].to_string(),
                format!("checkpoint step-200 is damaged ({file} has another hash)")
            );
            assert_eq!(found.state.unwrap().step, 100, "{file} at {position}");
            flip(&store, 200, file, position);
        }
    }
    assert_eq!(latest(&store).damaged, []);
}

#[test]
fn a_cut_or_a_longer_file_is_found() {
    let (_folder, store) = written(&[100, 200]);
    for file in FILES {
        let path = store.folder_of(200).join(file);
        let whole = fs::read(&path).unwrap();
        let cuts = (0..whole.len()).step_by((whole.len() / 100).max(1)).map(|length| whole[..length].to_vec());
        for other in cuts.chain([[&*whole, b"\n"].concat()]) {
            fs::write(&path, &other).unwrap();
            let Found { state, damaged } = latest(&store);
            assert_eq!((state.unwrap().step, damaged.len()), (100, 1), "{file} of {} bytes", other.len());
        }
        fs::write(&path, whole).unwrap();
    }
}

#[test]
fn what_is_wrong_with_each_is_told_and_where_none_is_left_none_is_found() {
    let (_folder, store) = written(&[1, 2, 3, 4, 5]);
    let file = |step, file| store.folder_of(step).join(file);
    fs::remove_file(file(5, "state.json")).unwrap();
    fs::remove_file(file(4, "state.safetensors")).unwrap();
    fs::write(file(3, "state.safetensors"), "short").unwrap();
    fs::copy(file(1, "state.json"), file(2, "state.json")).unwrap();
    fs::remove_file(file(1, "state.json")).unwrap();
    fs::create_dir(file(1, "state.json")).unwrap();
    let Found { state, damaged } = latest(&store);
    assert_eq!(state, None);
    let damaged: Vec<String> = damaged.iter().map(Damaged::to_string).collect();
    let expected = [
        "checkpoint step-5 is damaged (state.json is missing)",
        "checkpoint step-4 is damaged (state.safetensors is missing)",
        "checkpoint step-3 is damaged (state.safetensors has 5 bytes, not ",
        "checkpoint step-2 is damaged (it is of step 1)",
        "checkpoint step-1 is damaged (state.json cannot be read: ",
    ];
    assert_eq!(damaged.len(), expected.len());
    for (damaged, expected) in damaged.iter().zip(expected) {
        assert!(damaged.starts_with(expected) && !damaged.contains('\n'), "{damaged}");
    }
}

/// Puts `object` in the place of what `state.json` says, with its right hash.
fn write_document(store: &Store, step: u64, object: &str) {
    fs::write(store.folder_of(step).join("state.json"), seal::seal(object.as_bytes())).unwrap();
}

#[test]
fn another_format_is_told_before_anything_else_is_expected() {
    let (_folder, store) = written(&[1]);
    write_document(&store, 1, r#"{"format": 2}"#);
    assert_eq!(latest(&store).damaged[0].damage, Damage::Format { found: 2, expected: 1 });
}

#[test]
fn a_header_of_another_program_is_unreadable() {
    let (_folder, store) = written(&[1, 2]);
    let damage = store.latest::<Vec<u8>>().unwrap().damaged.remove(0).damage;
    assert!(damage.to_string().starts_with("state.json cannot be read: invalid type: map, expected a sequence"));
    write_document(&store, 2, r#"{"form": 1}"#);
    assert!(latest(&store).damaged[0].to_string().contains("missing field `format`"));
}

#[test]
fn noise_in_place_of_either_file_is_damage() {
    let (_folder, store) = written(&[1, 2]);
    let mut noise = vec![0; 300];
    for round in 0..500_usize {
        let file = FILES[round % 2];
        let path = store.folder_of(2).join(file);
        let whole = fs::read(&path).unwrap();
        blake3::Hasher::new().update(&round.to_le_bytes()).finalize_xof().fill(&mut noise);
        // Some with a right beginning, some with a right length.
        let kept = (round / 2 * 7) % whole.len();
        let length = if round % 3 == 0 { whole.len() } else { noise[0].into() };
        let bytes = whole[..kept].iter().chain(noise.iter().cycle()).take(length).copied();
        fs::write(&path, bytes.collect::<Vec<u8>>()).unwrap();
        assert_eq!(step_of_latest(&store), Some(1), "round {round}");
        fs::write(&path, whole).unwrap();
    }
}

#[test]
fn sealed_noise_is_unreadable() {
    let (_folder, store) = written(&[1, 2]);
    let mut noise = [0; 64];
    for round in 0..500_u32 {
        blake3::Hasher::new().update(&round.to_le_bytes()).finalize_xof().fill(&mut noise);
        let text = seal::seal(&[b"{", &noise[..round as usize % 64]].concat());
        fs::write(store.folder_of(2).join("state.json"), text).unwrap();
        let found = latest(&store);
        assert!(matches!(found.damaged[0].damage, Damage::Unreadable { .. }));
        assert_eq!(found.state.unwrap().step, 1);
    }
}

#[test]
fn a_failure_beside_leaves_what_was_there_and_tells_it() {
    let (_folder, store) = written(&[100]);
    for step in [100, 200] {
        let before = names(&store);
        let failed = store.write(step, &header(), &weights(0), |folder| {
            fs::create_dir(folder.join("model"))?;
            fs::write(folder.join("model/half"), "half")?;
            Err(io::Error::from(ErrorKind::StorageFull))
        });
        let message = chain(&failed.unwrap_err());
        let expected =
            format!("step-{step}.partial: checkpoint not written; that of step 100 is kept: no storage space");
        assert!(message.contains(&expected), "{message}");
        assert_eq!(names(&store), before);
        assert_eq!(latest(&store).state.unwrap().tensors, weights(100));
    }
}

#[test]
fn the_first_failure_says_that_there_is_none_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_of(&folder, 1);
    let failed = store.write(1, &(), &weights(0), |_| Err("no")).unwrap_err();
    assert!(chain(&failed).ends_with("step-1.partial: checkpoint not written; there is none before it: no"));
    assert_eq!(names(&store), Vec::<String>::new());
}

#[test]
fn a_header_that_json_loses_is_refused_when_it_is_written() {
    let (_folder, store) = written(&[1]);
    let lost = Header { losses: vec![f64::NAN], ..header() };
    let message = chain(&store.write(2, &lost, &weights(0), |_| io::Result::Ok(())).unwrap_err());
    assert!(message.contains("state.json: checkpoint not written; that of step 1 is kept: "), "{message}");
    assert!(message.contains("invalid type: null, expected f64"), "{message}");
    assert_eq!(names(&store), ["step-1"]);
}

#[test]
fn a_file_in_the_way_is_named_and_left_alone() {
    let (_folder, store) = written(&[1]);
    for file in ["step-2.partial", "step-2"] {
        let path = store.folder_of(1).with_file_name(file);
        fs::write(&path, "mine").unwrap();
        let failed = write(&store, 2).unwrap_err();
        assert!(matches!(&failed, CheckpointError::NotWritten { path: named, kept: Some(1), .. } if *named == path));
        assert_eq!(names(&store), ["step-1", file]);
        assert_eq!(step_of_latest(&store), Some(1));
        fs::remove_file(path).unwrap();
    }
    write(&store, 2).unwrap();
}

#[test]
fn a_store_whose_folder_is_a_file_is_an_error_of_that_path() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_of(&folder, 1);
    fs::write(folder.path().join("checkpoints"), "a file").unwrap();
    for failed in [write(&store, 1), store.latest::<Header>().map(drop), store.remove_all()] {
        assert!(failed.unwrap_err().to_string().ends_with("checkpoints"));
    }
}

#[cfg(unix)]
#[test]
fn where_nothing_may_be_written_the_old_one_stays() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, store) = written(&[1]);
    let root = store.folder_of(1).parent().map(Path::to_owned).unwrap();
    let allow = |mode| fs::set_permissions(&root, fs::Permissions::from_mode(mode)).unwrap();
    allow(0o555);
    // The system administrator may write all the same.
    if fs::create_dir(root.join("probe")).is_err() {
        let message = chain(&write(&store, 2).unwrap_err());
        assert!(message.contains("that of step 1 is kept: Permission denied"), "{message}");
        assert_eq!(step_of_latest(&store), Some(1));
    }
    allow(0o755);
}

#[test]
fn a_partial_of_a_killed_process_is_not_read_and_the_next_write_removes_it() {
    let (_folder, store) = written(&[1, 2]);
    // Killed just before the rename: all of it is there.
    for partial in ["step-3.partial", "step-9.partial"] {
        let partial = store.folder_of(3).with_file_name(partial);
        fs::create_dir(&partial).unwrap();
        for file in FILES {
            fs::copy(store.folder_of(2).join(file), partial.join(file)).unwrap();
        }
        fs::write(partial.join("of the killed"), "").unwrap();
    }
    assert_eq!(step_of_latest(&store), Some(2));
    write(&store, 3).unwrap();
    assert_eq!(names(&store), ["step-1", "step-2", "step-3"]);
    assert!(!store.folder_of(3).join("of the killed").exists());
    assert_eq!(step_of_latest(&store), Some(3));
}

#[test]
fn readers_find_a_checkpoint_while_another_writes_replaces_and_prunes() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_of(&folder, 1);
    write(&store, 0).unwrap();
    let read = || {
        let mut last = 0;
        while last < 30 {
            let state = store.latest::<Header>().unwrap().state.expect("there is one at any moment");
            assert!(state.step >= last && state.tensors == weights(state.step));
            last = state.step;
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(read);
        scope.spawn(read);
        for step in 1..=30 {
            write(&store, step).unwrap();
            write(&store, step).unwrap();
        }
    });
}

//! Models of a hub: a small one on loopback, which is cut off, dies, and refuses.

#![allow(clippy::unwrap_used)]

#[path = "support/hub_server.rs"]
mod server;
mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use embed::hub::{HubId, HubModel, HubOptions, fetch};
use embed::{EmbedError, FolderOptions, HubProblem, folder_hash};
use server::{COMMIT, HubServer, NAME, OWNER};
use support::{golden, load, vectors};
use tempfile::TempDir;

const MODEL: &str = "families/bert_dense";
const CHILD: &str = "EMBED_TEST_HUB";

/// A hub with the model and what else a repository holds, and an empty cache.
fn hub() -> (HubServer, TempDir) {
    let server = HubServer::of(&golden(MODEL));
    for path in ["README.md", "onnx/config.json", "onnx/model.onnx", "openvino/openvino_model.xml", "pytorch_model.bin"]
    {
        server.add(path, b"something else");
    }
    (server, tempfile::tempdir().unwrap())
}

fn id(revision: &str) -> HubId {
    format!("hf://{OWNER}/{NAME}{revision}").parse().unwrap()
}

fn options(server: &HubServer, cache: &TempDir) -> HubOptions {
    HubOptions::default().with_endpoint(server.address()).with_cache(cache.path()).with_offline(false).with_retries(1)
}

fn model_folder(cache: &TempDir) -> std::path::PathBuf {
    cache.path().join(format!("models--{OWNER}--{NAME}"))
}

/// Nothing, if every file is that of the hub.
#[track_caller]
fn assert_whole(server: &HubServer, model: &HubModel) {
    assert!(model.files.contains(&"2_Dense/model.safetensors".to_owned()), "{:?}", model.files);
    for file in &model.files {
        assert_eq!(std::fs::read(model.path.join(file)).unwrap(), server.state().files[file], "{file}");
    }
    assert_eq!(folder_hash(&model.path).unwrap(), folder_hash(golden(MODEL)).unwrap());
}

#[track_caller]
fn problem(error: &EmbedError) -> HubProblem {
    match error {
        EmbedError::Hub { problem, .. } => *problem,
        other => panic!("{other}"),
    }
}

/// What is in `blobs/` and no whole content.
fn incomplete(cache: &TempDir) -> Vec<u64> {
    let blobs = std::fs::read_dir(model_folder(cache).join("blobs")).unwrap().map(Result::unwrap);
    let unfinished = blobs.filter(|blob| blob.file_name().to_str().unwrap().ends_with(".incomplete"));
    unfinished.map(|blob| blob.metadata().unwrap().len()).collect()
}

#[test]
fn a_fetched_model_has_the_vectors_of_its_folder() {
    let (server, cache) = hub();
    let model = fetch(&id(""), &options(&server, &cache)).unwrap();
    assert_whole(&server, &model);
    assert_eq!(model.commit, COMMIT);
    let texts = ["the cat".to_owned(), "read a file".to_owned()];
    let of = |folder: &Path| vectors(load(folder, &FolderOptions::default()).as_ref(), &texts);
    assert_eq!(of(&model.path), of(&golden(MODEL)));
}

#[test]
fn only_what_makes_the_model_is_asked_for() {
    let (server, cache) = hub();
    let model = fetch(&id(""), &options(&server, &cache)).unwrap();
    let requests = server.requests().join("\n");
    for other in ["onnx", "openvino", "README", "pytorch_model"] {
        assert!(!requests.contains(other), "{requests}");
    }
    assert!(!model.path.join("onnx").exists());
    // The second time only what the branch is at.
    fetch(&id(""), &options(&server, &cache)).unwrap();
    assert_eq!(server.requests(), [format!("GET /api/models/{OWNER}/{NAME}/revision/main")]);
}

#[test]
fn a_commit_that_is_there_is_not_asked_for() {
    let (server, cache) = hub();
    let pinned = id(&format!("@{COMMIT}"));
    let first = fetch(&pinned, &options(&server, &cache)).unwrap();
    assert!(!server.requests().is_empty());
    assert_eq!(fetch(&pinned, &options(&server, &cache)).unwrap(), first);
    assert_eq!(server.requests(), [""; 0]);
}

#[test]
fn tags_and_references_with_slashes_are_revisions() {
    let (server, cache) = hub();
    for revision in ["v1.0", "refs/pr/1"] {
        let model = fetch(&id(&format!("@{revision}")), &options(&server, &cache)).unwrap();
        assert_whole(&server, &model);
        let kept = std::fs::read_to_string(model_folder(&cache).join("refs").join(revision)).unwrap();
        assert_eq!(kept, COMMIT);
        let asked = server.requests();
        assert_eq!(asked[0], format!("GET /api/models/{OWNER}/{NAME}/revision/{revision}"));
    }
}

#[cfg(unix)]
#[test]
fn the_cache_is_laid_out_as_by_python() {
    let (server, cache) = hub();
    let model = fetch(&id(""), &options(&server, &cache)).unwrap();
    let folder = model_folder(&cache);
    assert_eq!(model.path, folder.join("snapshots").join(COMMIT));
    assert_eq!(std::fs::read_to_string(folder.join("refs/main")).unwrap(), COMMIT);
    // `sha256sum` and `git hash-object` of the files.
    let weights = std::fs::read_link(model.path.join("2_Dense/model.safetensors")).unwrap();
    let pooling = std::fs::read_link(model.path.join("1_Pooling/config.json")).unwrap();
    assert!(weights.starts_with("../../../blobs") && weights.file_name().unwrap().len() == 64, "{weights:?}");
    assert!(pooling.starts_with("../../../blobs") && pooling.file_name().unwrap().len() == 40, "{pooling:?}");
    assert!(std::fs::read_link(model.path.join("config.json")).unwrap().starts_with("../../blobs"));
    assert_eq!(incomplete(&cache), [0; 0]);
}

/// The cache as `huggingface_hub` leaves it.
#[cfg(unix)]
fn left_by_python(server: &HubServer, without: &str) -> TempDir {
    let cache = tempfile::tempdir().unwrap();
    let folder = model_folder(&cache);
    for (at, (path, bytes)) in server.state().files.iter().enumerate() {
        let (blob, link) =
            (folder.join("blobs").join(format!("{at:040x}")), folder.join("snapshots").join(COMMIT).join(path));
        for path in [&blob, &link, &folder.join("refs/main")] {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        }
        std::fs::write(&blob, bytes).unwrap();
        if path != without {
            let up = "../".repeat(path.split('/').count() + 1);
            std::os::unix::fs::symlink(format!("{up}blobs/{at:040x}"), &link).unwrap();
        }
    }
    std::fs::write(folder.join("refs/main"), COMMIT).unwrap();
    cache
}

#[cfg(unix)]
#[test]
fn what_python_downloaded_is_used_offline_and_online() {
    let (server, _) = hub();
    let cache = left_by_python(&server, "");
    let offline = options(&server, &cache).with_offline(true);
    let alone = fetch(&id(""), &offline).unwrap();
    assert_whole(&server, &alone);
    assert_eq!(server.requests(), [""; 0]);
    assert!(alone.files.iter().all(|file| !file.contains("onnx")), "{:?}", alone.files);
    // Which files there are to be is asked once; none of them.
    assert_eq!(fetch(&id(""), &options(&server, &cache)).unwrap(), alone);
    assert!(server.requests().iter().all(|request| request.contains("/api/")));
    let error = fetch(&id("@v1.0"), &offline).unwrap_err().to_string();
    assert!(error.contains("HF_HUB_OFFLINE") && error.contains("revision v1.0"), "{error}");
}

#[cfg(unix)]
#[test]
fn half_a_model_of_python_is_refused_offline_and_completed_online() {
    for without in ["2_Dense/model.safetensors", "1_Pooling/config.json", "tokenizer.json", "modules.json"] {
        let (server, _) = hub();
        let cache = left_by_python(&server, without);
        let error = fetch(&id(""), &options(&server, &cache).with_offline(true)).unwrap_err();
        assert!(matches!(error, EmbedError::HubOffline { .. }) && error.to_string().contains(without), "{error}");
        assert_whole(&server, &fetch(&id(""), &options(&server, &cache)).unwrap());
    }
}

#[test]
fn offline_an_empty_cache_is_one_clear_error() {
    let (server, cache) = hub();
    let error = fetch(&id(""), &options(&server, &cache).with_offline(true)).unwrap_err().to_string();
    assert!(error.contains("hf://owner/tiny-model: offline mode is on (HF_HUB_OFFLINE"), "{error}");
    assert!(error.ends_with("has no revision main"), "{error}");
    assert_eq!(server.requests(), [""; 0]);
}

#[test]
fn a_connection_that_is_cut_is_continued_where_it_ended() {
    let (server, cache) = hub();
    server.state().cut = Some((1000, 3));
    let model = fetch(&id(""), &options(&server, &cache)).unwrap();
    assert_whole(&server, &model);
    let requests = server.requests();
    let continued = requests.iter().filter(|request| request.starts_with("GET /cdn/") && request.ends_with('-'));
    assert_eq!(continued.count(), 3, "{requests:?}");
}

#[test]
fn a_server_without_ranges_gives_the_same_bytes() {
    let (server, cache) = hub();
    server.state().ranges = false;
    server.state().cut = Some((1000, 1));
    assert_whole(&server, &fetch(&id(""), &options(&server, &cache)).unwrap());
}

#[test]
fn after_a_server_died_the_next_call_completes_the_file() {
    let (server, cache) = hub();
    (server.state().cut, server.state().dies) = (Some((1000, 1)), true);
    let error = fetch(&id(""), &options(&server, &cache)).unwrap_err();
    assert_eq!(problem(&error), HubProblem::Unreachable);
    // Nothing of it counts as a file, online or offline.
    assert_eq!(incomplete(&cache), [1000]);
    let snapshot = model_folder(&cache).join("snapshots").join(COMMIT);
    assert!(snapshot.join("config.json").is_file() && !snapshot.join("model.safetensors").exists());
    let offline = fetch(&id(&format!("@{COMMIT}")), &options(&server, &cache).with_offline(true)).unwrap_err();
    assert!(offline.to_string().contains("safetensors"), "{offline}");
    server.state().dead = false;
    server.requests();
    assert_whole(&server, &fetch(&id(""), &options(&server, &cache)).unwrap());
    assert!(server.requests().iter().any(|request| request.ends_with(" 1000-")));
}

#[test]
fn a_content_of_the_right_size_and_another_hash_is_refused() {
    let (server, cache) = hub();
    server.state().damages = true;
    let error = fetch(&id(""), &options(&server, &cache)).unwrap_err();
    assert_eq!(problem(&error), HubProblem::Answer);
    assert!(format!("{:?}", error).contains("another content than the listing says"), "{error:?}");
    assert!(fetch(&id(""), &options(&server, &cache).with_offline(true)).is_err());
    server.state().damages = false;
    assert_whole(&server, &fetch(&id(""), &options(&server, &cache)).unwrap());
}

#[test]
fn damage_in_what_was_there_is_found_and_the_file_begun_again() {
    // Some of it, all of it, and more.
    for damaged in [1000, 16784, 20000] {
        let (server, cache) = hub();
        (server.state().cut, server.state().dies) = (Some((1000, 1)), true);
        fetch(&id(""), &options(&server, &cache)).unwrap_err();
        let blobs = std::fs::read_dir(model_folder(&cache).join("blobs")).unwrap().map(|blob| blob.unwrap().path());
        for blob in blobs.filter(|blob| blob.extension().is_some()) {
            std::fs::write(blob, vec![7; damaged]).unwrap();
        }
        server.state().dead = false;
        assert_whole(&server, &fetch(&id(""), &options(&server, &cache)).unwrap());
    }
}

#[test]
#[ignore = "the child of tests below"]
fn child_fetches() {
    let Some(revision) = std::env::var_os(CHILD) else { return };
    match fetch(&id(revision.to_str().unwrap()), &HubOptions::default()) {
        Ok(model) => println!("fetched {}", model.path.display()),
        Err(error) => println!("failed {error}"),
    }
}

/// This program with [`child_fetches`] alone, which takes everything from the environment.
fn child(server: &HubServer, cache: &TempDir) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    for name in ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_CACHE", "HF_TOKEN", "HUGGINGFACE_HUB_CACHE"] {
        command.env_remove(name);
    }
    command.args(["--exact", "child_fetches", "--ignored", "--nocapture"]).env(CHILD, "");
    command.env("HF_ENDPOINT", server.address()).env("HF_HOME", cache.path());
    command
}

#[test]
fn the_environment_says_where_from_and_where_to() {
    let (server, cache) = hub();
    let said = |command: &mut Command| String::from_utf8(command.output().unwrap().stdout).unwrap();
    let fetched = said(&mut child(&server, &cache));
    let place = cache.path().join(format!("hub/models--{OWNER}--{NAME}/snapshots/{COMMIT}"));
    assert!(fetched.contains(&format!("fetched {}", place.display())), "{fetched}");
    assert!(!server.requests().is_empty());
    for name in ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"] {
        let again = said(child(&server, &cache).env(name, "1"));
        assert!(again.contains("fetched "), "{again}");
        let none = said(child(&server, &cache).env(name, "TRUE").env(CHILD, "@v1.0"));
        assert!(none.contains("failed ") && none.contains("offline mode is on"), "{none}");
    }
    assert_eq!(server.requests(), [""; 0]);
}

#[test]
fn a_process_killed_while_it_downloads_is_followed_by_one_that_completes() {
    let (server, cache) = hub();
    // A connection stays open after 1,000 bytes.
    (server.state().cut, server.state().hangs) = (Some((1000, 1)), true);
    let mut running = child(&server, &cache).env("HF_HUB_CACHE", cache.path()).stdout(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    let is_there = || model_folder(&cache).join("blobs").is_dir() && incomplete(&cache) == [1000];
    while !is_there() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the download never came so far");
        std::thread::sleep(Duration::from_millis(5));
    }
    running.kill().unwrap();
    assert!(!running.wait().unwrap().success());
    server.requests();
    assert_whole(&server, &fetch(&id(""), &options(&server, &cache)).unwrap());
    let requests = server.requests();
    assert!(requests.iter().any(|request| request.ends_with(" 1000-")), "{requests:?}");
    assert_eq!(incomplete(&cache), [0; 0]);
}

#[test]
fn processes_that_download_the_same_wait_for_one_another() {
    let (server, cache) = hub();
    let options = options(&server, &cache);
    std::thread::scope(|scope| {
        let fetching: Vec<_> = (0..4).map(|_| scope.spawn(|| fetch(&id(""), &options).unwrap())).collect();
        fetching.into_iter().for_each(|model| assert_whole(&server, &model.join().unwrap()));
    });
    let requests = server.requests();
    let weights = requests.iter().filter(|request| request.starts_with("GET /cdn/")).count();
    assert_eq!(weights, 2, "{requests:?}");
}

#[test]
fn what_a_hub_lacks_or_refuses_is_said_with_its_address() {
    let (server, cache) = hub();
    let options = options(&server, &cache);
    let say = |id: &HubId| {
        let error = fetch(id, &options).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&id.to_string()) && text.contains(server.address()), "{text}");
        problem(&error)
    };
    assert_eq!(say(&"owner/other".parse().unwrap()), HubProblem::NoModel);
    assert_eq!(say(&id("@v9")), HubProblem::NoRevision);
    assert_eq!(say(&id(&format!("@{}", "a".repeat(40)))), HubProblem::NoRevision);
    for status in [401, 403] {
        server.state().refuses = Some((status, "GatedRepo"));
        assert_eq!(say(&id("")), HubProblem::Refused);
    }
    assert!(fetch(&id(""), &options).unwrap_err().to_string().contains("HF_TOKEN"));
    server.state().refuses = None;
    // Of a gated model the listing is for all, the files are not.
    server.state().refuses_files = Some((403, "GatedRepo"));
    assert_eq!(say(&id("")), HubProblem::Refused);
    let nowhere = options.clone().with_endpoint("not an address");
    assert_eq!(problem(&fetch(&id(""), &nowhere).unwrap_err()), HubProblem::Address);
}

#[test]
fn an_answer_that_says_an_error_is_never_a_file() {
    let (server, cache) = hub();
    server.state().refuses_files = Some((503, ""));
    assert_eq!(problem(&fetch(&id(""), &options(&server, &cache)).unwrap_err()), HubProblem::Unreachable);
    server.state().refuses_files = None;
    assert_whole(&server, &fetch(&id(""), &options(&server, &cache)).unwrap());
}

#[test]
fn without_a_connection_the_commit_last_seen_is_taken_with_a_warning() {
    let (server, cache) = hub();
    let options = options(&server, &cache).with_retries(0);
    server.state().dead = true;
    assert_eq!(problem(&fetch(&id(""), &options).unwrap_err()), HubProblem::Unreachable);
    server.state().dead = false;
    fetch(&id(""), &options).unwrap();
    server.state().dead = true;
    let said = support::warnings(|| assert_whole(&server, &fetch(&id(""), &options).unwrap()));
    assert!(said.contains("cannot be reached") && said.contains(COMMIT), "{said}");
}

#[test]
fn contents_in_the_cache_are_taken_where_they_are_whole() {
    let (server, cache) = hub();
    let first = fetch(&id(""), &options(&server, &cache)).unwrap();
    // A new commit has them by their hashes.
    server.state().revisions.insert("main".into(), "b".repeat(40));
    server.requests();
    let second = fetch(&id(""), &options(&server, &cache)).unwrap();
    assert_whole(&server, &second);
    assert_eq!((second.commit, second.files), ("b".repeat(40), first.files));
    assert!(server.requests().iter().all(|request| request.contains("/api/")));
    server.state().revisions.insert("main".into(), COMMIT.into());
    // A whole name is no whole content.
    let blob = first.path.join("model.safetensors").canonicalize().unwrap();
    let bytes = std::fs::read(&blob).unwrap();
    std::fs::remove_dir_all(&first.path).unwrap();
    std::fs::write(&blob, vec![0; bytes.len()]).unwrap();
    assert_whole(&server, &fetch(&id(""), &options(&server, &cache)).unwrap());
}

#[test]
fn a_file_that_became_shorter_is_downloaded_again() {
    let (server, cache) = hub();
    let model = fetch(&id(""), &options(&server, &cache)).unwrap();
    std::fs::write(model.path.join("model.safetensors"), "half").unwrap();
    let pinned = id(&format!("@{COMMIT}"));
    let offline = fetch(&pinned, &options(&server, &cache).with_offline(true)).unwrap_err();
    assert!(offline.to_string().ends_with("has no model.safetensors"), "{offline}");
    assert_whole(&server, &fetch(&pinned, &options(&server, &cache)).unwrap());
}

#[test]
fn a_model_without_safetensors_is_named_with_what_it_has() {
    let (server, cache) = hub();
    server.state().files.retain(|path, _| !path.ends_with(".safetensors"));
    let error = fetch(&id(""), &options(&server, &cache)).unwrap_err().to_string();
    assert_eq!(error, "hf://owner/tiny-model: has no weights in safetensors, only onnx/model.onnx, pytorch_model.bin");
}

#[test]
fn pieces_of_weights_and_static_tables_are_fetched() {
    for model in ["families/bert_sharded", "tiny_static"] {
        let (server, cache) = (HubServer::of(&golden(model)), tempfile::tempdir().unwrap());
        let found = fetch(&id(""), &options(&server, &cache)).unwrap();
        let texts = ["the cat".to_owned()];
        let of = |folder: &Path| vectors(load(folder, &FolderOptions::default()).as_ref(), &texts);
        assert_eq!(of(&found.path), of(&golden(model)));
    }
}

/// Set `EMBED_PYTHON` to a Python with huggingface_hub to run it.
#[test]
fn the_cache_is_shared_with_python() {
    let Some(python) = std::env::var_os("EMBED_PYTHON") else {
        support::skipped("no $EMBED_PYTHON");
        return;
    };
    const SCRIPT: &str = "
import sys
from huggingface_hub import snapshot_download
print(snapshot_download(sys.argv[1], cache_dir=sys.argv[2], local_files_only=sys.argv[3] == 'offline'))
";
    let ask = |server: &HubServer, cache: &TempDir, how: &str| {
        let mut run = Command::new(&python);
        run.args(["-c", SCRIPT, &format!("{OWNER}/{NAME}")]).arg(cache.path()).arg(how);
        let out = run.env("HF_ENDPOINT", server.address()).env("HF_HUB_DISABLE_XET", "1").output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        std::path::PathBuf::from(String::from_utf8(out.stdout).unwrap().trim())
    };
    let (server, cache) = hub();
    let ours = fetch(&id(""), &options(&server, &cache)).unwrap();
    assert_eq!(ask(&server, &cache, "offline"), ours.path);
    server.requests();
    // Python takes what is there, and adds what only it wants.
    ask(&server, &cache, "online");
    assert!(server.requests().iter().all(|request| !request.starts_with("GET /cdn/")));
    assert_whole(&server, &fetch(&id(""), &options(&server, &cache).with_offline(true)).unwrap());
    let (server, cache) = hub();
    let theirs = ask(&server, &cache, "online");
    server.requests();
    let model = fetch(&id(""), &options(&server, &cache)).unwrap();
    assert_eq!(model.path, theirs);
    assert!(server.requests().iter().all(|request| request.contains("/api/")));
    assert_whole(&server, &model);
}

//! Models named by a hub's id: downloaded where the build can, else one clear error.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;
#[cfg(feature = "hub")]
#[path = "../../embed/tests/support/hub_server.rs"]
mod server;

use common::Bench;

/// The bench's data with a clustering embedder and a student of a hub.
const SETTINGS: [&str; 5] = [
    "embedder.kind=bert",
    "embedder.path=hf://owner/tiny-model",
    "student.kind=bert",
    "student.from=hf://owner/tiny-model",
    "train.epochs=1",
];

fn arguments<'a>(command: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let settings = SETTINGS.iter().flat_map(|setting| ["--set", setting]);
    [command, "config.toml"].into_iter().chain(settings).chain(more.iter().copied()).collect()
}

#[cfg(not(feature = "hub"))]
#[test]
fn without_the_feature_a_hub_is_refused_by_key_or_option() {
    let bench = Bench::new();
    bench.write("texts.txt", "a\n");
    let of_run = bench.fail(&arguments("run", &[]));
    assert!(of_run.contains("embedder.path = hf://owner/tiny-model") && of_run.contains("--features hub"), "{of_run}");
    let of_embed = bench.fail(&["embed", "--model", "hf://owner/x", "--texts", "texts.txt", "--out", "x.npy"]);
    let of_eval = bench.fail(&["eval", "--model", "hf://owner/x", "--data", "data"]);
    for error in [of_embed, of_eval] {
        assert!(error.contains("--model = hf://owner/x") && error.contains("--features hub"), "{error}");
    }
}

#[cfg(feature = "hub")]
mod with_a_hub {
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use super::server::{COMMIT, HubServer};
    use super::*;

    fn model() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../embed/tests/golden/families/bert_dense")
    }

    /// `pretrain` with `arguments` and the hub's address: whether it succeeded, and its stderr.
    fn pretrain(bench: &Bench, server: &HubServer, arguments: &[&str]) -> (bool, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pretrain"));
        for name in ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "RUST_LOG"] {
            command.env_remove(name);
        }
        let command = command.args(arguments).current_dir(bench.path(""));
        let out = command.env("HF_ENDPOINT", server.address()).env("HF_HOME", bench.path("hub")).output().unwrap();
        (out.status.success(), String::from_utf8(out.stderr).unwrap())
    }

    #[track_caller]
    fn succeed(bench: &Bench, server: &HubServer, arguments: &[&str]) -> String {
        let (succeeded, said) = pretrain(bench, server, arguments);
        assert!(succeeded, "{said}");
        said
    }

    #[test]
    fn texts_are_embedded_and_judged_by_a_model_of_a_hub() {
        let (bench, server) = (Bench::new(), HubServer::of(&model()));
        bench.write("texts.txt", "the cat\nread a file\n");
        let folder = model().display().to_string();
        let embed = |model: &str, out: &str| {
            ["embed", "--model", model, "--texts", "texts.txt", "--out", out].map(str::to_owned)
        };
        for (model, out) in [("hf://owner/tiny-model", "hub.npy"), (&folder, "folder.npy")] {
            let arguments = embed(model, out);
            let said = succeed(&bench, &server, &arguments.each_ref().map(String::as_str));
            assert_eq!(
                said.contains(&format!("--model: hf://owner/tiny-model is commit {COMMIT}")),
                out == "hub.npy",
                "{said}"
            );
        }
        let [of_hub, of_folder] = ["hub.npy", "folder.npy"].map(|name| std::fs::read(bench.path(name)).unwrap());
        assert_eq!(of_hub, of_folder);
        let pinned = format!("hf://owner/tiny-model@{COMMIT}");
        server.requests();
        succeed(&bench, &server, &["eval", "--model", &pinned, "--data", "data"]);
        assert_eq!(server.requests(), [""; 0]);
    }

    #[test]
    fn what_cannot_be_had_is_one_clear_error() {
        let (bench, server) = (Bench::new(), HubServer::of(&model()));
        for (name, reason) in [
            ("hf://owner/other", "no such model"),
            ("hf://owner/tiny-model@v9", "no such revision"),
            ("hf://a/b/c", "not a hub's id"),
        ] {
            let (succeeded, said) = pretrain(&bench, &server, &["eval", "--model", name, "--data", "data"]);
            assert!(!succeeded && said.contains(name) && said.contains(reason), "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
        }
    }

    #[test]
    fn a_run_goes_on_with_the_commit_that_it_began_with() {
        let (bench, server) = (Bench::new(), HubServer::of(&model()));
        let said = succeed(&bench, &server, &arguments("embed", &[]));
        assert!(said.contains(&format!("embedder.path: hf://owner/tiny-model is commit {COMMIT}")), "{said}");
        assert!(bench.read("run/models.json").contains(COMMIT));
        assert!(bench.read("run/config.toml").contains("path = \"hf://owner/tiny-model\""));
        // The branch moves on, to other weights.
        let moved = "c".repeat(40);
        server.state().revisions.insert("main".into(), moved.clone());
        let dense = server.state().files["2_Dense/config.json"].clone();
        let other = String::from_utf8(dense).unwrap().replace("Tanh", "ReLU");
        server.add("2_Dense/config.json", other.as_bytes());
        server.requests();
        let embeddings = std::fs::read(bench.path("run/embeddings/passage.npy")).unwrap();
        succeed(&bench, &server, &arguments("run", &[]));
        assert_eq!(server.requests(), [""; 0]);
        assert_eq!(std::fs::read(bench.path("run/embeddings/passage.npy")).unwrap(), embeddings);
        // What else comes into the cache is no part of the model.
        let snapshot = bench.path(&format!("hub/hub/models--owner--tiny-model/snapshots/{COMMIT}"));
        std::fs::create_dir(snapshot.join("onnx")).unwrap();
        std::fs::write(snapshot.join("onnx/config.json"), "{}").unwrap();
        let again = succeed(&bench, &server, &arguments("run", &[]));
        assert!(!again.contains("step"), "{again}");
        // Only where it is wished for.
        let said = succeed(&bench, &server, &arguments("run", &["--force"]));
        assert!(said.contains(&format!("is commit {moved}")), "{said}");
        assert_ne!(std::fs::read(bench.path("run/embeddings/passage.npy")).unwrap(), embeddings);
        assert!(bench.read("run/models.json").contains(&moved));
        // A file that records no commit says nothing of a run without a hub.
        let local = model().display().to_string();
        let local = [format!("embedder.path={local}"), format!("student.from={local}")];
        let more = ["--set", &local[0], "--set", &local[1], "--force"];
        succeed(&bench, &server, &arguments("embed", &more));
        assert!(!bench.path("run/models.json").exists());
    }
}

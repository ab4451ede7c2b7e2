//! Writes the golden models as inputs of the target `folder`, into the folder that is named.

use std::path::{Path, PathBuf};

#[path = "../checks.rs"]
mod checks;

fn main() {
    let to = PathBuf::from(std::env::args().nth(1).expect("usage: seeds FOLDER"));
    std::fs::create_dir_all(&to).expect("a made folder");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden");
    for of in [golden.clone(), golden.join("families")] {
        for entry in of.read_dir().expect("the golden models") {
            let folder = entry.expect("an entry").path();
            let bytes = checks::pack(&folder);
            if !bytes.is_empty() {
                std::fs::write(to.join(folder.file_name().expect("a name")), bytes).expect("a written file");
            }
        }
    }
}

//! A hub on loopback with one model, as far as `hf-hub` and Python's `huggingface_hub` ask for it.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use sha2::Sha256;

pub const OWNER: &str = "owner";
pub const NAME: &str = "tiny-model";
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
/// Weights are large files, which a hub redirects to another place.
const LARGE: &str = ".safetensors";

pub struct HubServer {
    address: String,
    state: Arc<Mutex<State>>,
}

pub struct State {
    pub files: BTreeMap<String, Vec<u8>>,
    /// What branches and tags stand for; every commit has the files that there are.
    pub revisions: BTreeMap<String, String>,
    /// `METHOD path range`, in the order in which they came.
    pub requests: Vec<String>,
    /// Bytes after which connections of a large file of more are cut, and how often.
    pub cut: Option<(usize, usize)>,
    /// Whether a cut is followed by no answer to anything.
    pub dies: bool,
    pub dead: bool,
    /// Whether a cut connection stays open instead, and silent.
    pub hangs: bool,
    pub ranges: bool,
    /// Whether the last byte of a large file is another than its hash says.
    pub damages: bool,
    /// A status with the hub's code for it, instead of any answer about the model.
    pub refuses: Option<(u16, &'static str)>,
    /// The same, of the files alone.
    pub refuses_files: Option<(u16, &'static str)>,
}

impl HubServer {
    /// The model in a folder, on the branch `main` and the tag `v1.0`.
    pub fn of(folder: &Path) -> Self {
        let mut files = BTreeMap::new();
        read_into(folder, "", &mut files);
        let revisions = ["main", "v1.0", "refs/pr/1"].map(|name| (name.to_owned(), COMMIT.to_owned())).into();
        let state = State {
            files,
            revisions,
            requests: Vec::new(),
            cut: None,
            dies: false,
            dead: false,
            hangs: false,
            ranges: true,
            damages: false,
            refuses: None,
            refuses_files: None,
        };
        let state = Arc::new(Mutex::new(state));
        // As with a hub the contents of large files are at another address.
        let [address, store] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap()).map(|listener| {
            let address = format!("http://{}", listener.local_addr().unwrap());
            (listener, address)
        });
        for listener in [address.0, store.0] {
            let (state, store) = (Arc::clone(&state), store.1.clone());
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let (state, store) = (Arc::clone(&state), store.clone());
                    // A client that goes away is no failure.
                    std::thread::spawn(move || {
                        let _ = serve(stream, &state, &store);
                    });
                }
            });
        }
        let address = address.1;
        Self { address, state }
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn add(&self, path: &str, bytes: &[u8]) {
        self.state().files.insert(path.to_owned(), bytes.to_owned());
    }

    /// The requests since this was last asked.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state().requests)
    }
}

fn read_into(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            read_into(&entry.path(), &format!("{path}/"), files);
        } else {
            files.insert(path, std::fs::read(entry.path()).unwrap());
        }
    }
}

struct Request {
    method: String,
    path: String,
    start: Option<usize>,
}

fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut start = None;
    for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
        if let Some(range) = line.to_lowercase().strip_prefix("range: bytes=") {
            start = range.split('-').next()?.parse().ok();
        }
    }
    Some(Request { method, path, start })
}

fn serve(mut stream: TcpStream, state: &Mutex<State>, store: &str) -> Option<()> {
    let request = read_request(&stream)?;
    let model = format!("{OWNER}/{NAME}");
    let path = request.path.split('?').next()?.replace("%2F", "/");
    {
        let mut state = state.lock().unwrap();
        if state.dead {
            return None;
        }
        let range = request.start.map_or(String::new(), |start| format!(" {start}-"));
        state.requests.push(format!("{} {path}{range}", request.method));
    }
    if let Some(rest) = path.strip_prefix("/api/models/") {
        let answer = about(&state.lock().unwrap(), rest.strip_prefix(&model));
        let (status, body, code) = match answer {
            Ok(value) => (200, value.to_string(), ""),
            Err((status, code)) => (status, json!({"error": code}).to_string(), code),
        };
        let head =
            format!("Content-Type: application/json\r\nX-Error-Code: {code}\r\nContent-Length: {}\r\n", body.len());
        return send(&mut stream, status, &head, body.as_bytes());
    }
    let (file, direct) = match path.strip_prefix("/cdn/") {
        Some(file) => (file.to_owned(), true),
        None => (path.strip_prefix(&format!("/{model}/resolve/"))?.split_once('/')?.1.to_owned(), false),
    };
    let (bytes, refused) = {
        let state = state.lock().unwrap();
        (state.files.get(&file).cloned(), state.refuses_files)
    };
    if let Some((status, code)) = refused {
        return send(&mut stream, status, &format!("X-Error-Code: {code}\r\nContent-Length: 0\r\n"), b"");
    }
    let Some(bytes) = bytes else {
        return send(&mut stream, 404, "X-Error-Code: EntryNotFound\r\nContent-Length: 0\r\n", b"");
    };
    let known = format!("X-Repo-Commit: {COMMIT}\r\n");
    let entry = entry(&file, &bytes);
    if file.ends_with(LARGE) && !direct {
        let (etag, size) = (entry["lfs"]["oid"].as_str()?, bytes.len());
        let linked = format!("X-Linked-Etag: \"{etag}\"\r\nX-Linked-Size: {size}\r\n");
        let head = format!("{known}{linked}Location: {store}/cdn/{file}\r\nContent-Length: 0\r\n");
        return send(&mut stream, 302, &head, b"");
    }
    let known = if direct { String::new() } else { format!("{known}ETag: \"{}\"\r\n", entry["oid"].as_str()?) };
    send_file(&mut stream, state, &request, &known, &bytes)
}

/// What a hub says of a model: `rest` is the path behind its name.
fn about(state: &State, rest: Option<&str>) -> Result<Value, (u16, &'static str)> {
    if let Some(refused) = state.refuses {
        return Err(refused);
    }
    let rest = rest.ok_or((404, "RepoNotFound"))?;
    let commit = |revision: &str| match revision {
        commit if state.revisions.values().any(|known| known == commit) => Ok(commit.to_owned()),
        name => state.revisions.get(name).cloned().ok_or((404, "RevisionNotFound")),
    };
    if let Some(revision) = rest.strip_prefix("/revision/") {
        let siblings: Vec<Value> = state.files.keys().map(|path| json!({"rfilename": path})).collect();
        return Ok(
            json!({"id": format!("{OWNER}/{NAME}"), "sha": commit(revision)?, "siblings": siblings, "tags": []}),
        );
    }
    commit(rest.strip_prefix("/tree/").ok_or((404, "EntryNotFound"))?)?;
    Ok(state.files.iter().map(|(path, bytes)| entry(path, bytes)).collect())
}

/// A line of a hub's listing.
fn entry(path: &str, bytes: &[u8]) -> Value {
    let object = |bytes: &[u8]| {
        let mut hash = Sha1::new_with_prefix(format!("blob {}\0", bytes.len()));
        hash.update(bytes);
        hex(&hash.finalize())
    };
    let size = bytes.len();
    if !path.ends_with(LARGE) {
        return json!({"type": "file", "oid": object(bytes), "size": size, "path": path});
    }
    let sha256 = hex(&Sha256::digest(bytes));
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n");
    let lfs = json!({"oid": sha256, "size": size, "pointerSize": pointer.len()});
    json!({"type": "file", "oid": object(pointer.as_bytes()), "size": size, "path": path, "lfs": lfs})
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn send_file(stream: &mut TcpStream, state: &Mutex<State>, request: &Request, known: &str, bytes: &[u8]) -> Option<()> {
    let (cut, hangs) = {
        let mut state = state.lock().unwrap();
        let is_cut = request.method == "GET" && request.path.ends_with(LARGE);
        let cut = state.cut.filter(|&(most, times)| is_cut && times > 0 && bytes.len() > most);
        if let Some((bytes, times)) = cut {
            state.cut = Some((bytes, times - 1));
            state.dead |= state.dies;
        }
        (cut.map(|(bytes, _)| bytes), state.hangs)
    };
    let start = request.start.filter(|_| state.lock().unwrap().ranges).unwrap_or(0);
    let (status, range) = match start {
        0 => (200, String::new()),
        start => (206, format!("Content-Range: bytes {start}-{}/{}\r\n", bytes.len() - 1, bytes.len())),
    };
    let mut bytes = bytes[start..].to_vec();
    if let Some(last) = bytes.last_mut().filter(|_| state.lock().unwrap().damages && request.path.ends_with(LARGE)) {
        *last ^= 1;
    }
    let head = format!("{known}{range}Content-Length: {}\r\nAccept-Ranges: bytes\r\n", bytes.len());
    let body = if request.method == "HEAD" { b"" } else { &bytes[..cut.unwrap_or(bytes.len()).min(bytes.len())] };
    send(stream, status, &head, body)?;
    if cut.is_some() && hangs {
        std::thread::sleep(Duration::from_secs(30));
    }
    Some(())
}

fn send(stream: &mut TcpStream, status: u16, head: &str, body: &[u8]) -> Option<()> {
    stream.write_all(format!("HTTP/1.1 {status} -\r\n{head}Connection: close\r\n\r\n").as_bytes()).ok()?;
    stream.write_all(body).ok()?;
    stream.flush().ok()
}

//! What records hold: the few fields of TensorFlow's `Event` that scalars need, in the encoding of protocol buffers.

const WALL_TIME: u64 = 1;
const STEP: u64 = 2;
const FILE_VERSION: u64 = 3;
const SUMMARY: u64 = 5;
const SESSION_LOG: u64 = 7;
/// Of `Summary`.
const VALUE: u64 = 1;
/// Of `Summary.Value`.
const TAG: u64 = 1;
const SIMPLE_VALUE: u64 = 2;
/// Of `SessionLog`, with its value `START`.
const STATUS: u64 = 1;
const START: u64 = 1;

/// The first event of a file. With this version TensorBoard purges by session logs alone, not wherever steps go back.
pub(super) fn version(wall_time: f64) -> Vec<u8> {
    let mut event = Message::of_event(wall_time, 0);
    event.bytes(FILE_VERSION, b"brain.Event:2");
    event.0
}

/// From here on events of `step` and later ones, of files before, do not count.
pub(super) fn session_start(wall_time: f64, step: i64) -> Vec<u8> {
    let mut log = Message::default();
    log.integer(STATUS, START);
    let mut event = Message::of_event(wall_time, step);
    event.bytes(SESSION_LOG, &log.0);
    event.0
}

pub(super) fn scalars(wall_time: f64, step: i64, values: &[(&str, f32)]) -> Vec<u8> {
    let mut summary = Message::default();
    for (tag, scalar) in values {
        let mut value = Message::default();
        value.bytes(TAG, tag.as_bytes());
        value.fixed(SIMPLE_VALUE, 5, &scalar.to_le_bytes());
        summary.bytes(VALUE, &value.0);
    }
    let mut event = Message::of_event(wall_time, step);
    event.bytes(SUMMARY, &summary.0);
    event.0
}

/// Fields one after another, each its number and kind, then its value.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    /// A step of 0 is what a reader takes for none, and is left out, as by everyone.
    fn of_event(wall_time: f64, step: i64) -> Self {
        let mut event = Message::default();
        event.fixed(WALL_TIME, 1, &wall_time.to_le_bytes());
        if step != 0 {
            event.integer(STEP, step as u64);
        }
        event
    }

    fn integer(&mut self, field: u64, value: u64) {
        self.varint(field << 3);
        self.varint(value);
    }

    /// Eight bytes are of kind 1, four of kind 5.
    fn fixed(&mut self, field: u64, kind: u64, value: &[u8]) {
        self.varint(field << 3 | kind);
        self.0.extend(value);
    }

    fn bytes(&mut self, field: u64, value: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
    }

    /// Seven bits a byte, the lowest first.
    fn varint(&mut self, mut value: u64) {
        while value > 0x7f {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

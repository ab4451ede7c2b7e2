//! TensorBoard's event files: scalars by step, byte for byte as its own writer has them.

mod event;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crc::{CRC_32_ISCSI, Crc};

const PREFIX: &str = "events.out.tfevents.";
const CRC32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// The scalars of one run, or of what is left of it after a stop, in an event file of their own.
///
/// Each record goes to the operating system as it is written, so that a run that dies loses none of those before, and TensorBoard
/// shows a run as it goes on.
///
/// # Source
/// TensorFlow's `event.proto`, and its `record_writer.cc` for the framing (TFRecord).
///
/// # Examples
/// ```
/// # let folder = std::env::temp_dir().join(format!("event-writer-{}", std::process::id()));
/// let mut events = pretrain::EventWriter::create(&folder)?;
/// events.scalars(0, 1_700_000_000.0, &[("loss", 5.5), ("learning_rate", 1e-3)])?;
/// events.scalars(1, 1_700_000_000.5, &[("loss", 5.25), ("learning_rate", 2e-3)])?;
///
/// // The run was stopped, and goes on behind its step 0.
/// let mut events = pretrain::EventWriter::resume(&folder, 1)?;
/// events.scalars(1, 1_700_000_060.0, &[("loss", 5.25), ("learning_rate", 2e-3)])?;
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct EventWriter {
    file: File,
}

impl EventWriter {
    /// A writer into a new file, `events.out.tfevents.<unix seconds>.<hostname>`, in `folder`, which is made if it is not there.
    ///
    /// # Errors
    /// The folder or the file cannot be made or written.
    pub fn create(folder: &Path) -> io::Result<Self> {
        Self::begin(folder, now(), 0)
    }

    /// The same for a run that goes on: TensorBoard hides what earlier files of the folder have of the step `purge_step` and later ones.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    #[doc(alias = "purge_step")]
    pub fn resume(folder: &Path, purge_step: i64) -> io::Result<Self> {
        Self::begin(folder, now(), purge_step)
    }

    /// Every file starts a session, also a run's first: TensorBoard takes the first start for no restart, and purges from the second on.
    fn begin(folder: &Path, wall_time: f64, purge_step: i64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let host = gethostname::gethostname();
        let name = format!("{PREFIX}{:010}.{}", free_second(folder, wall_time as u64)?, host.to_string_lossy());
        let mut writer = Self { file: File::create_new(folder.join(name))? };
        writer.write(&event::version(wall_time))?;
        writer.write(&event::session_start(wall_time, purge_step))?;
        Ok(writer)
    }

    /// Writes the values, by their tags, of one step; `wall_time` is in seconds since 1970.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn scalars(&mut self, step: i64, wall_time: f64, values: &[(&str, f32)]) -> io::Result<()> {
        self.write(&event::scalars(wall_time, step, values))
    }

    /// In one piece, so that a file has no half record but where the disk was full.
    fn write(&mut self, event: &[u8]) -> io::Result<()> {
        self.file.write_all(&record(event))
    }
}

/// Length and data, each followed by its check value.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [&length, &masked_crc(&length).to_le_bytes()[..], data, &masked_crc(data).to_le_bytes()].concat()
}

/// CRC-32C, changed so that the check value of data with check values in it says something.
fn masked_crc(data: &[u8]) -> u32 {
    CRC32C.checksum(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// `second`, or the first after those of the folder's files: TensorBoard reads them in the order of their names.
fn free_second(folder: &Path, mut second: u64) -> io::Result<u64> {
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let taken = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('.').next()?.parse::<u64>().ok());
        second = second.max(taken.map_or(0, |taken| taken.saturating_add(1)));
    }
    Ok(second)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL_TIME: f64 = 1_700_000_000.25;

    /// What TensorBoard 2.21's own writer makes of the same events: `tools/golden/tensorboard.py`.
    const GOLDEN: [&str; 6] = [
        "1800000000000000a37f4b220900001040fc54d9411a0d627261696e2e4576656e743a32338d2fe9",
        "100000000000000095fbfe180900001040fc54d94110ac023a0208016b3b88f1",
        "2e00000000000000c5cb57fa0900001040fc54d9412a230a0b0a046c6f7373151772b1400a140a0d6c6561726e696e675f726174651500000000ad3c6fa3",
        "a800000000000000fcd8de2d0900003040fc54d94110ac022a99010a0b0a046c6f737315000000800a89010a81016772c3b6c39f652f78787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878150000807f7be2ea5a",
        "1200000000000000241f64250962101040fc54d941108080808080202a0057f2dac1",
        "3200000000000000241956ec0900001040fc54d94110ffffffffffffffffff012a1c0a0e0a076c61726765737415ffff7f7f0a0a0a036e616e150000c07f99239b7b",
    ];

    fn files(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_the_one_that_tensorboard_writes() {
        let folder = tempfile::tempdir().unwrap();
        let mut events = EventWriter::begin(folder.path(), WALL_TIME, 300).unwrap();
        let long = format!("größe/{}", "x".repeat(121));
        events.scalars(0, WALL_TIME, &[("loss", 5.545177), ("learning_rate", 0.0)]).unwrap();
        events.scalars(300, WALL_TIME + 0.5, &[("loss", -0.0), (&long, f32::INFINITY)]).unwrap();
        events.scalars(1 << 40, WALL_TIME + 1e-3, &[]).unwrap();
        events.scalars(-1, WALL_TIME, &[("largest", f32::MAX), ("nan", f32::NAN)]).unwrap();
        // The writer is still there: nothing waits in it.
        let bytes = fs::read(folder.path().join(&files(folder.path())[0])).unwrap();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, GOLDEN.concat());
    }

    #[test]
    fn crc_is_castagnolis_and_masked() {
        // RFC 3720, B.4; and `masked_crc32c` of TensorBoard 2.21.
        assert_eq!(CRC32C.checksum(&[0; 32]), 0x8a91_36aa);
        assert_eq!(masked_crc(&[0; 32]), 0x0fd7_fffa);
    }

    #[test]
    fn files_have_the_order_in_which_they_were_begun() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        // The clock is set back before the third.
        for wall_time in [7.9, 7.9, 3.0, 1_700_000_000.0] {
            EventWriter::begin(&inner, wall_time, 0).unwrap();
        }
        let host = gethostname::gethostname().into_string().unwrap();
        let seconds = ["0000000007", "0000000008", "0000000009", "1700000000"];
        assert_eq!(files(&inner), seconds.map(|second| format!("events.out.tfevents.{second}.{host}")));
    }

    #[test]
    fn a_file_in_place_of_the_folder_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(EventWriter::create(file.path()).is_err());
    }
}

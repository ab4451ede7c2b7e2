//! gzip and zstd, told by a file's first bytes when it is read and by its name when it is written.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result, Write};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

/// The first bytes of either format, from RFC 1952 and RFC 8878.
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Bytes of a buffer between the file and its text: a system call, or one through `dyn`, comes once in thousands of lines.
const BUFFER: usize = 1 << 18;

/// What `reader` holds, decompressed if it starts as gzip or zstd does; of several members or frames one after another.
///
/// # Errors
/// What `reader` gives for its first bytes; those of the content, broken compression among them, come when it is read.
///
/// # Examples
/// ```
/// use std::io::{Read, Write};
///
/// let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
/// gzip.write_all(b"q1 0 d1 1\n")?;
/// let mut text = String::new();
/// retrieval_eval::decompressed(&gzip.finish()?[..])?.read_to_string(&mut text)?;
/// assert_eq!(text, "q1 0 d1 1\n");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn decompressed<'r>(mut reader: impl Read + Send + 'r) -> Result<Box<dyn BufRead + Send + 'r>> {
    let mut start = Vec::new();
    reader.by_ref().take(ZSTD.len() as u64).read_to_end(&mut start)?;
    let (gzip, zstd) = (start.starts_with(&GZIP), start.starts_with(&ZSTD));
    let whole = BufReader::with_capacity(BUFFER, std::io::Cursor::new(start).chain(reader));
    Ok(match (gzip, zstd) {
        (true, _) => Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(whole))),
        (_, true) => Box::new(BufReader::with_capacity(BUFFER, ZstdFrames { source: whole, decoder: None })),
        _ => Box::new(whole),
    })
}

/// The content of all frames of a zstd file; ruzstd's own reader stops after the first.
struct ZstdFrames<R> {
    source: R,
    /// Of the frame that is being read.
    decoder: Option<FrameDecoder>,
}

impl<R: BufRead> ZstdFrames<R> {
    /// The decoder of the frame that comes next; `None` at the end of the file.
    fn next_frame(&mut self) -> Result<Option<FrameDecoder>> {
        while !self.source.fill_buf()?.is_empty() {
            let mut decoder = FrameDecoder::new();
            match decoder.init(&mut self.source) {
                Ok(()) => return Ok(Some(decoder)),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    let skipped = std::io::copy(&mut self.source.by_ref().take(length.into()), &mut std::io::sink())?;
                    if skipped < length.into() {
                        return Err(ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(Error::new(ErrorKind::InvalidData, error)),
            }
        }
        Ok(None)
    }
}

impl<R: BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if self.decoder.is_none() {
                self.decoder = self.next_frame()?;
            }
            let Some(decoder) = &mut self.decoder else { return Ok(0) };
            while decoder.can_collect() == 0 && !decoder.is_finished() {
                decoder
                    .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(|error| Error::new(ErrorKind::InvalidData, error))?;
            }
            match decoder.read(buffer)? {
                0 => {
                    if decoder
                        .get_checksum_from_data()
                        .is_some_and(|sum| decoder.get_calculated_checksum() != Some(sum))
                    {
                        return Err(Error::new(ErrorKind::InvalidData, "the checksum of a zstd frame is wrong"));
                    }
                    self.decoder = None;
                }
                bytes => return Ok(bytes),
            }
        }
    }
}

/// A writer that compresses as the end of a file's name says: `.gz`, `.zst` or anything else for plain text.
pub(crate) enum Compressor<W: Write> {
    Plain(W),
    Gzip(Box<GzEncoder<W>>),
    /// What becomes the next frame. The encoder would panic where `W` fails, so it gets memory to write to.
    Zstd(Vec<u8>, W),
}

/// Text of a zstd frame, which is in memory until it is compressed. A frame knows nothing of those before, so many short
/// ones would compress worse.
const FRAME: usize = 8 << 20;

impl<W: Write> Compressor<W> {
    pub(crate) fn new(path: &Path, sink: W) -> Self {
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        match extension.to_str() {
            Some("gz") => Self::Gzip(Box::new(GzEncoder::new(sink, flate2::Compression::default()))),
            Some("zst") => Self::Zstd(Vec::new(), sink),
            _ => Self::Plain(sink),
        }
    }

    /// Writes what is left, and returns the sink.
    pub(crate) fn finish(self) -> Result<W> {
        match self {
            Self::Plain(sink) => Ok(sink),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(text, mut sink) => {
                sink.write_all(&zstd_frame(&text))?;
                Ok(sink)
            }
        }
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match self {
            Self::Plain(sink) => sink.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Zstd(text, sink) => {
                text.extend_from_slice(bytes);
                if text.len() >= FRAME {
                    sink.write_all(&zstd_frame(text))?;
                    text.clear();
                }
                Ok(bytes.len())
            }
        }
    }

    fn flush(&mut self) -> Result<()> {
        match self {
            Self::Plain(sink) | Self::Zstd(_, sink) => sink.flush(),
            Self::Gzip(encoder) => encoder.flush(),
        }
    }
}

fn zstd_frame(text: &[u8]) -> Vec<u8> {
    // The only level of ruzstd 0.9 that compresses.
    compress_to_vec(text, CompressionLevel::Fastest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compressed(name: &str, text: &[u8]) -> Vec<u8> {
        let mut writer = Compressor::new(Path::new(name), Vec::new());
        writer.write_all(text).unwrap();
        writer.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        decompressed(bytes)?.read_to_end(&mut text)?;
        Ok(text)
    }

    #[test]
    fn text_comes_back_whatever_its_length_and_number_of_frames() {
        let long = b"q1 Q0 d1 1 0.5 run\n".repeat(FRAME / 8);
        for text in [&b""[..], b"q", b"q1 0 d1 1\n", &long] {
            for name in ["run", "run.gz", "run.ZST"] {
                let bytes = compressed(name, text);
                assert!(read(&bytes).unwrap() == text, "{name}");
                assert!(read(&[bytes.clone(), bytes].concat()).unwrap() == text.repeat(2), "{name} twice");
            }
        }
    }

    #[test]
    fn frames_to_be_skipped_are_skipped() {
        let skippable = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
        let frame = compressed("a.zst", b"text");
        assert_eq!(read(&[&frame[..], &skippable, &frame].concat()).unwrap(), b"texttext");
        read(&[&frame[..], &skippable[..9]].concat()).unwrap_err();
    }

    #[test]
    fn what_ends_too_early_is_an_error() {
        let text: Vec<u8> = (0..100_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        for name in ["a.gz", "a.zst"] {
            let bytes = compressed(name, &text);
            for end in [bytes.len() - 1, bytes.len() / 2, 6] {
                assert!(read(&bytes[..end]).is_err(), "{name} of {end} bytes");
            }
        }
    }

    #[test]
    fn a_wrong_checksum_is_an_error() {
        for name in ["a.gz", "a.zst"] {
            let mut bytes = compressed(name, b"some text that is long enough");
            let last = bytes.len() - if name == "a.gz" { 5 } else { 1 };
            bytes[last] ^= 1;
            assert!(read(&bytes).is_err(), "{name}");
        }
    }
}

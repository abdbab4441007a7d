//! The Opus identification header, `OpusHead` (RFC 7845 section 5.1).

/// What the header of an Opus stream says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpusHead {
    /// Output channels.
    pub channels: u8,
    /// Frames at 48 kHz to throw away at the start.
    pub pre_skip: u16,
    /// Sample rate of what was encoded; for display only.
    pub input_rate_hz: u32,
    /// Gain to apply to the decoded sound, in 1/256 dB.
    pub gain_q8_db: i16,
    /// Channel mapping family: 0 mono/stereo, 1 Vorbis surround, 255 no meaning.
    pub family: u8,
    /// Opus streams in each packet.
    pub streams: u8,
    /// How many of them are stereo.
    pub coupled: u8,
    /// Which decoded channel each output channel takes.
    pub mapping: Vec<u8>,
}

impl OpusHead {
    /// A plain header for mono or stereo (mapping family 0).
    #[must_use]
    pub fn plain(channels: u8, pre_skip: u16, input_rate_hz: u32) -> Self {
        let stereo = channels == 2;
        Self {
            channels,
            pre_skip,
            input_rate_hz,
            gain_q8_db: 0,
            family: 0,
            streams: 1,
            coupled: u8::from(stereo),
            mapping: (0..channels).collect(),
        }
    }

    /// Reads a header; `None` when the bytes are none, or contradict themselves.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(b"OpusHead")?;
        let (fixed, table) = rest.split_first_chunk::<11>()?;
        let [version, channels, p0, p1, r0, r1, r2, r3, g0, g1, family] = *fixed;
        // The upper four bits are the major version; 0 is the only one there is.
        if version & 0xF0 != 0 || channels == 0 {
            return None;
        }
        // Ogg and Matroska count from version 1 and write little-endian. MP4's `dOps` box is the
        // same header in version 0 and big-endian (Encapsulation of Opus in ISOBMFF 4.3.2).
        let (pre_skip, rate, gain) = ([p0, p1], [r0, r1, r2, r3], [g0, g1]);
        let mut head = if version == 0 {
            let mut head = Self::plain(channels, u16::from_be_bytes(pre_skip), 0);
            head.input_rate_hz = u32::from_be_bytes(rate);
            head.gain_q8_db = i16::from_be_bytes(gain);
            head
        } else {
            let mut head = Self::plain(channels, u16::from_le_bytes(pre_skip), 0);
            head.input_rate_hz = u32::from_le_bytes(rate);
            head.gain_q8_db = i16::from_le_bytes(gain);
            head
        };
        head.family = family;
        if family == 0 {
            return (channels <= 2).then_some(head);
        }
        let (counts, mapping) = table.split_first_chunk::<2>()?;
        [head.streams, head.coupled] = *counts;
        head.mapping = mapping.get(..usize::from(channels))?.to_vec();
        let decoded = u16::from(head.streams) + u16::from(head.coupled);
        let known = |m: &u8| *m == 255 || u16::from(*m) < decoded;
        let fits = head.streams > 0 && head.coupled <= head.streams && decoded <= 255;
        (fits && head.mapping.iter().all(known)).then_some(head)
    }

    /// Writes the header.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut out = b"OpusHead\x01".to_vec();
        out.push(self.channels);
        out.extend(self.pre_skip.to_le_bytes());
        out.extend(self.input_rate_hz.to_le_bytes());
        out.extend(self.gain_q8_db.to_le_bytes());
        out.push(self.family);
        if self.family != 0 {
            out.extend([self.streams, self.coupled]);
            out.extend(&self.mapping);
        }
        out
    }

    /// The linear gain the header asks for.
    #[must_use]
    pub fn gain(&self) -> f32 {
        mynah_audio::level::gain_from_db(f32::from(self.gain_q8_db) / 256.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_header_reads_back() {
        let stereo = OpusHead::plain(2, 312, 44_100);
        assert_eq!(OpusHead::parse(&stereo.write()), Some(stereo.clone()));
        assert_eq!(
            stereo.write().len(),
            19,
            "RFC 7845 figure 2 without a mapping table"
        );
        let surround = OpusHead {
            channels: 6,
            family: 1,
            streams: 4,
            coupled: 2,
            mapping: vec![0, 4, 1, 2, 3, 5],
            gain_q8_db: -256,
            ..stereo
        };
        assert_eq!(OpusHead::parse(&surround.write()), Some(surround.clone()));
        assert!((surround.gain() - 0.891).abs() < 0.001);
    }

    #[test]
    fn the_box_of_mp4_is_big_endian() {
        let mp4 = b"OpusHead\0\x02\x01\x38\0\0\xBB\x80\xFF\0\0";
        let head = OpusHead {
            gain_q8_db: -256,
            ..OpusHead::plain(2, 312, 48_000)
        };
        assert_eq!(OpusHead::parse(mp4), Some(head));
    }

    #[test]
    fn headers_that_contradict_themselves_are_refused() {
        let good = OpusHead::plain(2, 312, 48_000).write();
        assert!(OpusHead::parse(&good).is_some());
        for cut in 0..good.len() {
            assert!(OpusHead::parse(good.get(..cut).unwrap_or_default()).is_none());
        }
        let mut bad = good.clone();
        bad.splice(9..10, [0]); // no channels
        assert!(OpusHead::parse(&bad).is_none());
        let mut three = good.clone();
        three.splice(9..10, [3]); // three channels need a mapping table
        assert!(OpusHead::parse(&three).is_none());
        let mut future = good;
        future.splice(8..9, [0x10]);
        assert!(OpusHead::parse(&future).is_none());
    }
}

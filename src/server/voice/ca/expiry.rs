//! Reads when an X.509 certificate ends: the one fact the CA needs from a kept file, not worth a
//! certificate parser of ten crates.

/// `notAfter` of a DER certificate in seconds since the Unix epoch (RFC 5280 section 4.1.2.5).
pub(super) fn not_after(der: &[u8]) -> Option<u64> {
    let (certificate, _) = element(der, 0x30)?;
    let (to_be_signed, _) = element(certificate, 0x30)?;
    let (_version, rest) = element(to_be_signed, 0xA0)?;
    let (_serial, rest) = element(rest, 0x02)?;
    let (_algorithm, rest) = element(rest, 0x30)?;
    let (_issuer, rest) = element(rest, 0x30)?;
    let (validity, _) = element(rest, 0x30)?;
    let (_tag, _not_before, rest) = any_element(validity)?;
    let (tag, time, _) = any_element(rest)?;
    match (tag, time.len()) {
        // UTCTime YYMMDDhhmmssZ: years 50 to 99 are the last century.
        (0x17, 13) => {
            let (year, rest) = time.split_at_checked(2)?;
            let year = number(year)?;
            seconds(if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        // GeneralizedTime YYYYMMDDhhmmssZ.
        (0x18, 15) => {
            let (year, rest) = time.split_at_checked(4)?;
            seconds(number(year)?, rest)
        }
        _ => None,
    }
}

/// One DER element with the wanted tag: its content and what follows it.
fn element(bytes: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    let (tag, content, rest) = any_element(bytes)?;
    (tag == wanted).then_some((content, rest))
}

/// One DER element: tag, content, what follows. Lengths of up to three bytes.
fn any_element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7F => (usize::from(first), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7F))?;
            let length = digits
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            (length, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// `MMDDhhmmssZ` of a year to seconds since 1970.
fn seconds(year: u64, rest: &[u8]) -> Option<u64> {
    let mut pairs = rest.get(..10)?.chunks(2).map(number);
    let mut next = || pairs.next().flatten();
    let (month, day, hour, minute, second) = (next()?, next()?, next()?, next()?, next()?);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days from civil: years counted from March, so that the leap day comes last.
    let (shifted_year, shifted_month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = shifted_year / 4 - shifted_year / 100 + shifted_year / 400;
    let days = 365 * shifted_year + leap_days + (153 * shifted_month + 2) / 5 + day - 1;
    let days_since_1970 = days.checked_sub(719_468)?;
    Some(((days_since_1970 * 24 + hour) * 60 + minute) * 60 + second)
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_read_in_both_time_forms() {
        for year in [2030, 2049, 2050, 2077] {
            let mut params = rcgen::CertificateParams::default();
            params.not_after = rcgen::date_time_ymd(year, 3, 1);
            let key = rcgen::KeyPair::generate().unwrap();
            let certificate = params.self_signed(&key).unwrap();
            let expected = rcgen::date_time_ymd(year, 3, 1).unix_timestamp();
            assert_eq!(
                not_after(certificate.der()),
                Some(u64::try_from(expected).unwrap())
            );
        }
    }

    #[test]
    fn no_prefix_of_a_certificate_panics() {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::default()
            .self_signed(&key)
            .unwrap();
        for cut in 0..certificate.der().len() {
            assert_eq!(not_after(certificate.der().get(..cut).unwrap()), None);
        }
    }
}

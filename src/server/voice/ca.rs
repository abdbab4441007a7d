//! The server's own certificate authority.
//!
//! Every client library insists on `wss://` for voice (interop.md section 0), so the server signs
//! its own certificate for `localhost` and `127.0.0.1`. The CA is made once and kept, so that a
//! client configured with `ca.pem` goes on working after a restart. The leaf is signed anew at each
//! start and its key never touches the disk.

mod expiry;

use std::fs::{self, File};
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};

use super::VoiceError;

const CERTIFICATE_FILE: &str = "ca.pem";
const KEY_FILE: &str = "ca-key.pem";
const LOCK_FILE: &str = "ca.lock";
const DAY: Duration = Duration::from_secs(86_400);
const CA_LIFE: Duration = DAY.saturating_mul(3_650);
/// Longest leaf life that every TLS stack accepts (CA/Browser Forum ballot SC31: 398 days).
const LEAF_LIFE: Duration = DAY.saturating_mul(397);
/// A CA with less life than this is replaced at start.
const CA_RENEWAL: Duration = DAY.saturating_mul(30);
/// Certificates start a day early, for clients whose clock is behind.
const CLOCK_SKEW: Duration = DAY;
/// A file larger than this is not one of ours.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// A CA on disk and the TLS configuration signed by it.
pub struct Ca {
    file: PathBuf,
    pem: Vec<u8>,
    tls: Arc<ServerConfig>,
}

impl Ca {
    /// Takes the CA kept in `dir`, or makes one (also when the kept one is expired or damaged),
    /// and signs a leaf for `localhost`, the loopback addresses and `bind`.
    ///
    /// # Errors
    /// The directory cannot be read or written.
    pub fn open(dir: &Path, bind: IpAddr, now: SystemTime) -> Result<Self, VoiceError> {
        fs::create_dir_all(dir).map_err(|source| VoiceError::file(dir, source))?;
        // Two servers on one directory must not each write half of a pair.
        let lock_path = dir.join(LOCK_FILE);
        let lock = private(&lock_path).map_err(|source| VoiceError::file(&lock_path, source))?;
        lock.lock()
            .map_err(|source| VoiceError::file(&lock_path, source))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let since_epoch = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        if let Some(kept) = Self::reuse(dir, bind, since_epoch, &provider) {
            return Ok(kept);
        }
        tracing::info!(dir = %dir.display(), "making a certificate authority for the voice server");
        let key = KeyPair::generate()?;
        let pem = ca_params(since_epoch).self_signed(&key)?.pem();
        // Key first: a crash in between leaves a pair that does not match, which is replaced.
        replace(&dir.join(KEY_FILE), key.serialize_pem().as_bytes())?;
        replace(&dir.join(CERTIFICATE_FILE), pem.as_bytes())?;
        Self::sign(dir, pem.into_bytes(), key, bind, since_epoch, &provider)
    }

    /// Where clients find the CA certificate.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The CA certificate as PEM.
    pub fn pem(&self) -> &[u8] {
        &self.pem
    }

    /// TLS 1.2 and 1.3 with the leaf (D++ needs 1.3; interop.md section 5).
    pub fn tls(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.tls)
    }

    /// The kept CA, if it is whole, matches its key and has enough life left.
    fn reuse(
        dir: &Path,
        bind: IpAddr,
        now: Duration,
        provider: &Arc<CryptoProvider>,
    ) -> Option<Self> {
        let pem = read_small(&dir.join(CERTIFICATE_FILE))?;
        let key_pem = read_small(&dir.join(KEY_FILE))?;
        let key = KeyPair::from_pem(std::str::from_utf8(&key_pem).ok()?).ok()?;
        let der = CertificateDer::from_pem_slice(&pem).ok()?;
        let expires = Duration::from_secs(expiry::not_after(&der)?);
        if expires < now + CA_RENEWAL {
            tracing::info!(dir = %dir.display(), "the certificate authority has expired");
            return None;
        }
        Self::sign(dir, pem, key, bind, now, provider).ok()
    }

    fn sign(
        dir: &Path,
        pem: Vec<u8>,
        key: KeyPair,
        bind: IpAddr,
        now: Duration,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, VoiceError> {
        let root = CertificateDer::from_pem_slice(&pem)
            .map_err(|_| VoiceError::Certificate("ca.pem is not a certificate".to_owned()))?;
        let leaf_key = KeyPair::generate()?;
        let issuer_params = ca_params(now);
        let issuer = Issuer::from_params(&issuer_params, &key);
        let leaf = leaf_params(bind, now)?.signed_by(&leaf_key, &issuer)?;
        verify(leaf.der(), root, now, provider)?;
        let leaf_key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
        let tls = ServerConfig::builder_with_provider(Arc::clone(provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], leaf_key)?;
        Ok(Self {
            file: dir.join(CERTIFICATE_FILE),
            pem,
            tls: Arc::new(tls),
        })
    }
}

/// Would a client accept `leaf`? Catches a certificate that does not match the kept key.
fn verify(
    leaf: &CertificateDer<'_>,
    root: CertificateDer<'_>,
    now: Duration,
    provider: &Arc<CryptoProvider>,
) -> Result<(), VoiceError> {
    let mut roots = RootCertStore::empty();
    roots.add(root.into_owned())?;
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .build()
            .map_err(|error| VoiceError::Certificate(error.to_string()))?;
    let name = ServerName::try_from("localhost")
        .map_err(|error| VoiceError::Certificate(error.to_string()))?;
    let now = UnixTime::since_unix_epoch(now);
    verifier.verify_server_cert(leaf, &[], &name, &[], now)?;
    Ok(())
}

/// Constant but for the dates, so that a kept certificate's issuer name can be rebuilt.
fn ca_params(now: Duration) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "Mynah embedded voice server CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, now, CA_LIFE);
    params
}

fn leaf_params(bind: IpAddr, now: Duration) -> Result<CertificateParams, rcgen::Error> {
    let mut names = vec![
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    if !bind.is_loopback() && !bind.is_unspecified() {
        names.push(bind.to_string());
    }
    // rustls refuses leaves without SAN; Go and Node want serverAuth (interop.md section 0).
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "localhost");
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    set_validity(&mut params, now, LEAF_LIFE);
    Ok(params)
}

fn set_validity(params: &mut CertificateParams, now: Duration, life: Duration) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + now.saturating_sub(CLOCK_SKEW);
    params.not_after = epoch + (now + life);
}

fn read_small(path: &Path) -> Option<Vec<u8>> {
    let size = fs::metadata(path).ok()?.len();
    (size <= MAX_FILE_BYTES)
        .then(|| fs::read(path).ok())
        .flatten()
}

/// Opens a file only this user can read, making it if needed.
fn private(path: &Path) -> std::io::Result<File> {
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

/// Replaces a file atomically; a reader sees the old or the new one, never half.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), VoiceError> {
    let part = path.with_extension("pem.part");
    let write = || {
        // A leftover of another owner or mode must not lend its permissions to the new file.
        match fs::remove_file(&part) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = private(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, path)
    };
    write().map_err(|source| VoiceError::file(path, source))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use std::net::Ipv4Addr;
    use std::os::unix::fs::PermissionsExt;

    const NOW_S: u64 = 1_764_000_000;

    fn open_at(dir: &Path, seconds: u64) -> Ca {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        Ca::open(dir, IpAddr::V4(Ipv4Addr::LOCALHOST), now).unwrap()
    }

    #[test]
    fn the_ca_is_kept_and_reused_at_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let first = open_at(dir.path(), NOW_S);
        assert_eq!(fs::read(first.file()).unwrap(), first.pem());
        assert_eq!(open_at(dir.path(), NOW_S + 86_400).pem(), first.pem());
    }

    #[test]
    fn the_key_is_readable_by_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        open_at(dir.path(), NOW_S);
        let mode = fs::metadata(dir.path().join(KEY_FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn an_expired_ca_is_renewed_and_a_living_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let first = open_at(dir.path(), NOW_S).pem().to_vec();
        let life = CA_LIFE.as_secs();
        let renewal = CA_RENEWAL.as_secs();
        assert_eq!(
            open_at(dir.path(), NOW_S + life - renewal - 10).pem(),
            first
        );
        let renewed = open_at(dir.path(), NOW_S + life - renewal + 10);
        assert_ne!(renewed.pem(), first);
        assert_eq!(
            fs::read(dir.path().join(CERTIFICATE_FILE)).unwrap(),
            renewed.pem()
        );
    }

    #[test]
    fn damaged_or_mismatched_files_are_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let first = open_at(dir.path(), NOW_S).pem().to_vec();
        let other_key = KeyPair::generate().unwrap().serialize_pem();
        fs::write(dir.path().join(KEY_FILE), other_key).unwrap();
        let second = open_at(dir.path(), NOW_S).pem().to_vec();
        assert_ne!(second, first);
        fs::write(dir.path().join(CERTIFICATE_FILE), b"not a certificate").unwrap();
        assert_ne!(open_at(dir.path(), NOW_S).pem(), second);
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named_in_the_error() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, b"").unwrap();
        let Err(error) = Ca::open(&file, IpAddr::V4(Ipv4Addr::LOCALHOST), SystemTime::now()) else {
            panic!("a file cannot be a directory");
        };
        assert!(error.to_string().contains("file"), "{error}");
    }
}

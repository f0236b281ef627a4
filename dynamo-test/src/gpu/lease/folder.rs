//! The folder that holds a file for each GPU, shared by all users of the machine.

use std::env;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::LeaseError;

/// The variable that names another folder.
const FOLDER: &str = "DYNAMO_TEST_GPU_LEASES";

/// Whatever `TMPDIR` says: all users must mean the same folder.
const DEFAULT: &str = "/var/tmp/dynamo-test-gpus";

/// Everybody may add files, and remove none but their own: what `/tmp` has.
const SHARED: u32 = 0o1777;

/// A folder in which users who do not trust each other share files.
pub(super) struct Folder {
    pub(super) path: PathBuf,
}

impl Folder {
    /// The machine's, made if it is not there.
    pub(super) fn of_machine() -> Result<Self, LeaseError> {
        let named = env::var_os(FOLDER).filter(|path| !path.is_empty());
        Self::open(named.map_or_else(|| DEFAULT.into(), PathBuf::from))
    }

    pub(super) fn open(path: PathBuf) -> Result<Self, LeaseError> {
        let failed =
            |error: io::Error| LeaseError::Folder { path: path.clone(), error: error.to_string() };
        match DirBuilder::new().mode(SHARED).create(&path) {
            // The umask took bits away.
            Ok(()) => fs::set_permissions(&path, Permissions::from_mode(SHARED)).map_err(failed)?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error)),
        }
        // Not through a symbolic link, which any user may have left there.
        let metadata = path.symlink_metadata().map_err(failed)?;
        if !metadata.is_dir() {
            return Err(LeaseError::NoFolder { path });
        }
        let mode = metadata.mode() & 0o7777;
        if mode & 0o002 != 0 && mode & 0o1000 == 0 {
            return Err(LeaseError::Unsafe { path, mode });
        }
        Ok(Self { path })
    }

    /// A description of its own of the file, which is made if it is not there.
    pub(super) fn file(&self, name: &str) -> Result<File, LeaseError> {
        let path = self.path.join(name);
        open_or_make(&path).map_err(|error| LeaseError::File { path, error: error.to_string() })
    }
}

fn open_or_make(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    // A link, which any user may leave here, would have us write to a file of its maker's choice.
    options.read(true).write(true).mode(0o666).custom_flags(OFlags::NOFOLLOW.bits() as i32);
    loop {
        // Never both in one call: Linux (fs.protected_regular) refuses O_CREAT for another user's file in such a
        // folder.
        match options.create_new(false).open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) if Errno::from_io_error(&error) == Some(Errno::LOOP) => {
                return Err(io::Error::other("it is a symbolic link: remove it"));
            }
            Ok(file) if !file.metadata()?.is_file() => {
                return Err(io::Error::other("it is no regular file: remove it"));
            }
            opened => return opened,
        }
        match options.create_new(true).open(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(file) => {
                file.set_permissions(Permissions::from_mode(0o666))?;
                return Ok(file);
            }
        }
    }
}

/// A file of the folder, kept open, and opened anew where somebody has removed it.
pub(super) struct Kept {
    name: String,
    pub(super) file: File,
}

impl Kept {
    pub(super) fn open(folder: &Folder, name: String) -> Result<Self, LeaseError> {
        Ok(Self { file: folder.file(&name)?, name })
    }

    /// Whether the name still means the file; if not, opens what it means now.
    pub(super) fn refresh(&mut self, folder: &Folder) -> Result<bool, LeaseError> {
        let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let there = folder.path.join(&self.name).symlink_metadata().map(identity);
        let is_same = matches!(
            (there, self.file.metadata().map(identity)),
            (Ok(there), Ok(ours)) if there == ours
        );
        if !is_same {
            self.file = folder.file(&self.name)?;
        }
        Ok(is_same)
    }

    /// Another description of the same name.
    pub(super) fn again(&self, folder: &Folder) -> Result<File, LeaseError> {
        folder.file(&self.name)
    }
}

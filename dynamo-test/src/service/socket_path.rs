use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// What fits into a socket's address on every system.
const LONGEST: usize = 100;

/// The path by which a socket is bound or connected to, and what must stay open meanwhile: a longer path than fits is
/// shortened to one through its opened folder, where the system has such.
pub(super) fn address_of(socket: &Path) -> io::Result<(PathBuf, Option<File>)> {
    let shortened = match (socket.parent(), socket.file_name()) {
        (Some(folder), Some(name))
            if socket.as_os_str().len() > LONGEST && cfg!(target_os = "linux") =>
        {
            let folder = File::open(folder)?;
            let path = format!("/proc/self/fd/{}", folder.as_raw_fd());
            Some((Path::new(&path).join(name), Some(folder)))
        }
        _ => None,
    };
    Ok(shortened.unwrap_or_else(|| (socket.to_owned(), None)))
}

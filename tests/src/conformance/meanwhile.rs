//! What happens between open(2) and the call.

use std::fs::{self, File as Handle};
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::case::Meanwhile;
use super::kernel::{self, Mapping};
use super::layout::BLOCK;
use super::making::tool;
use super::stage::{Stage, Trouble};
use crate::pattern;

impl Stage<'_> {
    /// What happens once the driver has opened the files.
    pub(crate) fn meanwhile(&mut self, meanwhile: &Meanwhile) -> Result<(), Trouble> {
        match meanwhile {
            Meanwhile::MakeImmutable(path) => self.flag(path, kernel::IMMUTABLE),
            Meanwhile::MakeAppendOnly(path) => self.flag(path, kernel::APPEND_ONLY),
            Meanwhile::MakeReadOnly(path) => {
                let at = self.place(path);
                let words = ["property", "set", "-ts"].map(AsRef::as_ref);
                let end = ["ro", "true"].map(AsRef::as_ref);
                Ok(tool("btrfs", words.into_iter().chain([at.as_os_str()]).chain(end))?)
            }
            Meanwhile::Read(path) => {
                fs::read(self.place(path))?;
                Ok(())
            }
            Meanwhile::StoreMapped { path, at, seed } => {
                let file = Handle::options().read(true).write(true).open(self.place(path))?;
                let mapping = Mapping::new(&file, *at, BLOCK as usize)?;
                let bytes = pattern(*seed, BLOCK as usize);
                mapping.store(&bytes);
                self.models.get_mut(path).expect("a regular file").overwrite(*at, &bytes);
                self.stored.push(mapping);
                self.forget_times(path)?;
                Ok(())
            }
            Meanwhile::WatchMapped(path) => {
                let file = Handle::options().read(true).write(true).open(self.place(path))?;
                let mapping = Mapping::new(&file, 0, self.models[path].size() as usize)?;
                mapping.lock()?;
                // So that its pages are mapped already.
                mapping.load();
                self.watched.push((path.clone(), mapping));
                Ok(())
            }
            Meanwhile::Run(path) => self.run(&self.place(path)),
            Meanwhile::SwapOn(path) => self.swap_on(&self.place(path)),
            Meanwhile::OpenToWrite(path) => {
                self.held.push(Handle::options().write(true).open(self.place(path))?);
                Ok(())
            }
            Meanwhile::UntilNobodyWrites(path) => {
                let file = Handle::open(self.place(path))?;
                while kernel::is_written_to(&file) {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Ok(())
            }
            Meanwhile::Send(path) => self.send(&self.place(path)),
        }
    }

    fn flag(&mut self, path: &str, flag: u32) -> Result<(), Trouble> {
        let file = Handle::open(self.place(path))?;
        kernel::chattr(&file, flag, true)?;
        self.flagged.push((file, flag));
        Ok(())
    }

    fn run(&mut self, program: &Path) -> Result<(), Trouble> {
        // Another thread that forks holds our descriptor for writing until its child is executed.
        for _ in 0..100 {
            match Command::new(program).arg("1000").stdin(Stdio::null()).stdout(Stdio::null()).spawn() {
                Ok(child) => {
                    self.children.push(child);
                    return Ok(());
                }
                Err(error) if error.raw_os_error() == Some(libc::ETXTBSY) => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Trouble::Broken("the program stays busy".into()))
    }

    /// Its first byte shows that it is on its way. More than the pipes hold is not read.
    fn send(&mut self, snapshot: &Path) -> Result<(), Trouble> {
        let mut child = Command::new("btrfs")
            .args(["send".as_ref(), snapshot.as_os_str()])
            .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let begun = child.stdout.as_mut().map(|out| out.read_exact(&mut [0]));
        self.children.push(child);
        Ok(begun.expect("it is piped")?)
    }

    /// Swap space belongs to the whole machine: a process of its own turns it off again when this one ends in
    /// whatever way, by the end of its input.
    fn swap_on(&mut self, file: &Path) -> Result<(), Trouble> {
        let script = r#"if said=$(swapon "$1" 2>&1); then echo on; else echo "$said"; fi; read end; swapoff "$1" 2>&1"#;
        let mut child = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(file)
            .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let said = child.stdout.take().map(io::BufReader::new).and_then(|out| io::BufRead::lines(out).next());
        self.children.push(child);
        match said {
            Some(Ok(line)) if line == "on" => Ok(()),
            Some(Ok(line)) => Err(Trouble::Absent(line)),
            _ => Err(Trouble::Absent("swapon said nothing".into())),
        }
    }
}

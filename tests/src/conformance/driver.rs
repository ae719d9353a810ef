//! A driver's process: one line in, one line out.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use super::answer::Answer;
use super::call::{By, Call, Cancel, End, FileChoices};
use super::programs::Program;

/// No call of the table takes as long on any machine, however busy: one that does hangs.
const PATIENCE: Duration = Duration::from_secs(600);

pub(crate) struct Driver {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Driver {
    /// To be called on the thread whose mounts it shall see.
    pub(crate) fn start(program: &Program) -> Result<Driver, String> {
        let mut command = program.command();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
        let (input, output) = child.stdin.take().zip(child.stdout.take()).expect("both are piped");
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Driver { child, input, lines })
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// `Err` when it died, or hangs: it is of no use any more then.
    fn ask(&mut self, line: &str) -> Result<String, String> {
        let asked = writeln!(self.input, "{line}").and_then(|()| self.input.flush());
        let answer = match asked {
            Ok(()) => self.lines.recv_timeout(PATIENCE),
            Err(_) => Err(RecvTimeoutError::Disconnected),
        };
        match answer {
            Ok(answer) => Ok(answer),
            Err(RecvTimeoutError::Timeout) => {
                Err(format!("the driver hangs, for {PATIENCE:?} already: {line}"))
            }
            Err(RecvTimeoutError::Disconnected) => {
                let status =
                    self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
                Err(format!("the driver died ({status}): {line}"))
            }
        }
    }

    /// Opens the ends of a call; what was open is closed.
    pub(crate) fn open<'p>(
        &mut self,
        ends: impl Iterator<Item = (&'p End, Result<&'p Path, i32>)>,
    ) -> Opened {
        let ends: Vec<_> = ends.collect();
        let word = |(end, place): &(&End, Result<&Path, i32>)| match place {
            Ok(path) => format!(" {}:{}", end.flags, escape(path)),
            Err(number) => format!(" ={number}"),
        };
        let line = format!("open{}", ends.iter().map(word).collect::<String>());
        let answer = self.ask(&line).map_err(Refusal::Died)?;
        for (i, number) in answer.split(' ').skip(1).filter(|word| !word.is_empty()).enumerate() {
            match number.parse::<i32>() {
                Ok(number) if number < 0 && ends[i].1.is_ok() => return Err(Refusal::Open(i, -number)),
                Ok(_) => {}
                Err(_) => return Err(Refusal::Died(format!("no answer: {answer}"))),
            }
        }
        Ok(())
    }

    /// A verb that takes paths, which are the source's and the targets'; and one where a snapshot may lie.
    pub(crate) fn call_by_paths(
        &mut self,
        call: &Call,
        paths: &[PathBuf],
        scratch: Option<&Path>,
    ) -> Result<Answer, String> {
        let mut line = format!("file verb={} src={}", call.verb.name(), escape(&paths[0]));
        for path in &paths[1..] {
            line += &format!(" to={}", escape(path));
        }
        let FileChoices { replace, durable, follow, preserve, stable, by, .. } = call.file;
        for (name, chosen) in [("replace", replace), ("durable", durable), ("follow", follow)] {
            if chosen {
                line += &format!(" {name}=1");
            }
        }
        line += &format!(" preserve={preserve}");
        line.extend(stable.map(|way| format!(" stable={way}")));
        line.extend(scratch.map(|path| format!(" scratch={}", escape(path))));
        line += match by {
            By::Path => "",
            By::Directory => " by=directory",
            By::Open => " by=open",
        };
        line += &cancelling(call);
        Answer::parse(&self.ask(&line)?)
    }

    pub(crate) fn call(&mut self, call: &Call) -> Result<Answer, String> {
        let mut line =
            format!("call verb={} src=0 src_off={} len={}", call.verb.name(), call.src.offset, call.len);
        for (i, target) in call.targets.iter().enumerate() {
            let slot = if call.same_descriptor { 0 } else { i + 1 };
            line += &format!(" to={slot},{}", target.offset);
        }
        for (option, value) in &call.choices {
            line += &format!(" {option}={value}");
        }
        line += &cancelling(call);
        if call.alarms {
            line += " alarms=1";
        }
        if let Some(uid) = call.uid {
            line += &format!(" uid={uid}");
        }
        let options = &call.clone;
        for (key, value) in [("undo", options.undo), ("atomic", options.atomic)] {
            line.extend(value.map(|value| format!(" {key}={value}")));
        }
        if options.scratch.is_some() {
            // Opened last.
            let slot = if call.same_descriptor { 1 } else { call.targets.len() + 1 };
            line += &format!(" scratch={slot}");
        }
        if options.keep_undo {
            line += " keep=1";
        }
        Answer::parse(&self.ask(&line)?)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

pub(crate) type Opened = Result<(), Refusal>;

/// Why files could not be opened.
pub(crate) enum Refusal {
    /// That of the call's ends, with that errno.
    Open(usize, i32),
    Died(String),
}

fn cancelling(call: &Call) -> String {
    match call.cancel {
        Some(Cancel::Before) => " cancel=before".into(),
        Some(Cancel::After(bytes)) => format!(" cancel=after,{bytes}"),
        None => String::new(),
    }
}

fn escape(path: &Path) -> String {
    path.as_os_str()
        .as_bytes()
        .iter()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                (*byte as char).to_string()
            }
            byte => format!("%{byte:02x}"),
        })
        .collect()
}

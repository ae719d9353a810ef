//! What must be true after a call.

use std::fs::{self, File as Handle};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::answer::Answer;
use super::call::{End, KEEP_TIMES};
use super::case::{After, Case, On, filesystem};
use super::contents::{Holes, content, difference, holes};
use super::kernel;
use super::maps::Map;
use super::model::Model;
use super::outcome::{Done, Outcome, UNKNOWN, Way};
use super::stage::Stage;

/// A stage on which a call was made.
pub(crate) struct Checked<'s, 'c> {
    pub(crate) stage: &'s mut Stage<'c>,
    pub(crate) case: &'s Case,
    pub(crate) on: On,
    pub(crate) problems: Vec<String>,
}

impl Checked<'_, '_> {
    /// Everything but the words of the answer.
    pub(crate) fn files(&mut self, outcome: &Outcome, answer: &Answer) -> io::Result<()> {
        let call = &self.case.call;
        if let Outcome::Done(done) = outcome {
            if let Some(made) = call.made() {
                self.stage.made(made);
            }
            self.apply(done);
        }
        if matches!(outcome, Outcome::Tree(_)) {
            self.grow();
        }
        if call.takes_paths() {
            self.names(outcome)?;
        }
        for (_, path, file) in self.case.becomes.iter().filter(|(on, ..)| on.contains(self.on)) {
            self.stage.models.insert(path.clone(), Model::of(file, |_| unreachable!("no clones")));
        }
        let ours = self.stage.models.keys().filter(|path| self.stage.is_ours(path));
        for path in ours.cloned().collect::<Vec<_>>() {
            self.file(&path, outcome)?;
        }
        for target in call.targets.iter().filter(|_| !call.takes_paths()) {
            // By the way that the call came to it, too: an overlay, another mount, /proc.
            let (Ok(at), Some(model)) = (self.stage.opened(target), self.stage.model(&target.path)) else {
                continue;
            };
            if at != self.stage.place(&target.path) || !self.stage.models.contains_key(&target.path) {
                let problem = content(at, &self.stage.mapped(at)?, model)?;
                self.problems.extend(problem.map(|what| format!("{}: {what}", target.path)));
            }
        }
        self.mappings()?;
        match outcome {
            Outcome::Done(done) => self.sharing(done)?,
            Outcome::Targets(targets) => {
                for (i, target) in targets.iter().enumerate() {
                    if let (Some(shared), Some(already)) = (target.shared, target.already_shared) {
                        self.deduped(i, shared + already)?;
                    }
                }
            }
            Outcome::Runs(_) => self.places(answer)?,
            _ => {}
        }
        self.afterwards()
    }

    /// What the call did to the destination's model.
    fn apply(&mut self, done: &Done) {
        let call = &self.case.call;
        let (Some(src), Some(dst)) = (
            self.stage.model(&call.src.path).cloned(),
            self.stage.model_path(&call.dst().path).map(str::to_owned),
        ) else {
            return;
        };
        let model = self.stage.models.get_mut(&dst).expect("a model");
        let mut at = 0;
        for (way, len) in &done.ways {
            model.put(*way, &src, call.src.offset + at, call.dst().offset + at, *len);
            at += len;
        }
    }

    /// What was under the name is gone, and each file of the source is there too.
    fn grow(&mut self) {
        let (src, dst) = (&self.case.call.src.path, &self.case.call.dst().path);
        let beneath =
            |path: &str, root: &str| path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'));
        self.stage.models.retain(|path, _| path != dst && !beneath(path, dst));
        let grown: Vec<_> = self.stage.models.iter().filter(|(path, _)| beneath(path, src)).collect();
        let grown =
            grown.into_iter().map(|(path, model)| (format!("{dst}{}", &path[src.len()..]), model.clone()));
        for (path, model) in grown.collect::<Vec<_>>() {
            self.stage.made(&path);
            self.stage.models.insert(path, model);
        }
    }

    /// Whether the call made this file.
    fn is_new(&self, path: &str, outcome: &Outcome) -> bool {
        let rest = self.case.call.made().and_then(|made| path.strip_prefix(made));
        match outcome {
            Outcome::Done(_) => rest == Some(""),
            Outcome::Tree(_) => rest.is_some_and(|rest| rest.starts_with('/')),
            _ => false,
        }
    }

    /// No name appeared but that of the file that was made, and no hidden one stays.
    fn names(&mut self, outcome: &Outcome) -> io::Result<()> {
        let mut wanted = self.stage.names.clone();
        if let (Outcome::Done(_) | Outcome::Tree(_), Some(made)) = (outcome, self.case.call.made())
            && filesystem(made).is_none()
        {
            wanted.insert(made.into());
        }
        let names = self.stage.listed()?;
        if names != wanted {
            self.problems.push(format!("the names are {names:?}, not {wanted:?}"));
        }
        Ok(())
    }

    fn is_dst(&self, path: &str) -> bool {
        let call = &self.case.call;
        call.targets.iter().any(|target| self.stage.model_path(&target.path) == Some(path))
    }

    /// Content, size, holes and times of one file.
    fn file(&mut self, path: &str, outcome: &Outcome) -> io::Result<()> {
        let at = self.stage.place(path);
        let model = &self.stage.models[path];
        let written = self.is_dst(path)
            && self.case.call.writes()
            && match outcome {
                Outcome::Done(done) => done.total() > 0,
                Outcome::Refused(refused) => refused.sets_times,
                _ => false,
            };
        let mut problems = Vec::new();
        let mapped = self.stage.mapped(&at)?;
        // After what the client of a server had not written yet is there. The server sets the time of it, which the client
        // does not ask for as long as it has a lease.
        let (stat, mtime) = (fs::metadata(&at)?, fs::metadata(&mapped)?.modified()?);
        problems.extend(content(&at, &mapped, model)?);
        let column = self.stage.column;
        let kept = Holes { punched: column.profile.punches, by_another: column.beneath.is_some() };
        problems.extend(holes(&mapped, model, kept)?);
        if self.is_new(path, outcome) {
            // Its times are its own, or the source's.
            let call = &self.case.call;
            let kept = call.is_of_trees() || call.file.preserve & KEEP_TIMES != 0;
            if Stage::is_long_ago(mtime) != kept {
                problems.push(format!("mtime is {}the source's", if kept { "not " } else { "" }));
            }
            self.problems.extend(problems.into_iter().map(|what| format!("{path}: {what}")));
            return Ok(());
        }
        if Stage::is_long_ago(mtime) == written {
            problems.push(format!("mtime {}", if written { "did not change" } else { "changed" }));
        }
        let restored = self.is_dst(path) && matches!(outcome, Outcome::Refused(refused) if refused.restored);
        if !written && !restored && self.stage.changed.get(path) != Some(&(stat.ctime(), stat.ctime_nsec())) {
            problems.push("ctime changed".into());
        }
        self.problems.extend(problems.into_iter().map(|what| format!("{path}: {what}")));
        Ok(())
    }

    fn map(&self, at: &Path) -> io::Result<Option<Map>> {
        Map::of(&self.stage.mapped(at)?)
    }

    /// Where the map of a file is that the call came to: a server knows nothing of mounts over its client's.
    fn opened(&self, end: &End) -> Result<PathBuf, i32> {
        let at = self.stage.opened(end)?;
        let model = self.stage.model_path(&end.path).filter(|_| self.stage.column.beneath.is_some());
        Ok(model.map_or_else(|| at.into(), |path| self.stage.place(path)))
    }

    /// Who had the destination mapped sees what the file is now.
    fn mappings(&mut self) -> io::Result<()> {
        for (path, mapping) in &self.stage.watched {
            let model = &self.stage.models[path];
            // Looking behind the end of a file is SIGBUS; that it was cut off is told elsewhere.
            if fs::metadata(self.stage.place(path))?.len() < model.size() {
                continue;
            }
            let seen = mapping.load();
            if let Some(at) = difference(&seen, &model.bytes()[..seen.len()]) {
                self.problems.push(format!("{path}: a mapping shows another byte at {at}"));
            }
        }
        Ok(())
    }

    /// After a clone everything is shared, after a copy nothing.
    fn sharing(&mut self, done: &Done) -> io::Result<()> {
        let call = &self.case.call;
        let (Ok(src), Ok(dst)) = (self.opened(&call.src), self.opened(call.dst())) else {
            return Ok(());
        };
        if done.total() == 0 || !self.stage.is_one_filesystem(&call.src.path, &call.dst().path) {
            return Ok(());
        }
        let (Some(src), Some(dst)) = (self.map(&src)?, self.map(&dst)?) else { return Ok(()) };
        // In one file everything else is the destination's too.
        let same_file = self.stage.model_path(&call.src.path) == self.stage.model_path(&call.dst().path);
        let src_range = src.part(call.src.offset, done.total());
        let (mut src_off, mut dst_off) = (call.src.offset, call.dst().offset);
        for (way, len) in done.ways.iter().filter(|(_, len)| *len > 0) {
            match way {
                Way::Cloned if done.shares_no_blocks => {
                    if dst.part(dst_off, *len).common(&src) > 0 {
                        self.problems.push("shares blocks, though it is said to share none".into());
                    }
                }
                Way::Cloned => {
                    let (shared, all) = (src.in_step(src_off, &dst, dst_off, *len), src.data(src_off, *len));
                    if shared != all {
                        self.problems.push(format!(
                            "cloned, but of {all} bytes of data at {src_off} only {shared} share their blocks"
                        ));
                    }
                }
                Way::Server => {}
                Way::Copied | Way::Hole => {
                    let shared = dst.part(dst_off, *len).common(if same_file { &src_range } else { &src });
                    if shared > 0 {
                        self.problems.push(format!("copied, but {shared} bytes at {dst_off} share blocks"));
                    }
                }
            }
            src_off += len;
            dst_off += len;
        }
        Ok(())
    }

    /// A target of a dedupe shares exactly as much as it was said to.
    fn deduped(&mut self, target: usize, said: u64) -> io::Result<()> {
        let call = &self.case.call;
        let target = &call.targets[target];
        let (Ok(src), Ok(dst)) = (self.stage.opened(&call.src), self.stage.opened(target)) else {
            return Ok(());
        };
        if !self.stage.is_one_filesystem(&call.src.path, &target.path) {
            return Ok(());
        }
        let (Some(src), Some(dst)) = (self.map(src)?, self.map(dst)?) else { return Ok(()) };
        let size = self.stage.model(&call.src.path).map_or(0, Model::size);
        let len = call.len.min(size.saturating_sub(call.src.offset));
        let shared = src.in_step(call.src.offset, &dst, target.offset, len);
        if shared != said {
            self.problems.push(format!("{}: {shared} bytes are shared, {said} were told", target.path));
        }
        Ok(())
    }

    /// The extents of the answer are where the filesystem says.
    fn places(&mut self, answer: &Answer) -> io::Result<()> {
        let Ok(at) = self.stage.opened(&self.case.call.src) else { return Ok(()) };
        let Some(map) = self.map(at)? else { return Ok(()) };
        for found in answer.extents() {
            let there = map.physical(found.run.logical).filter(|_| found.run.flags & UNKNOWN == 0);
            if found.physical != there.unwrap_or(0) {
                let (logical, physical) = (found.run.logical, found.physical);
                self.problems.push(format!("extent at {logical} lies at {physical}, not {there:?}"));
            }
        }
        Ok(())
    }

    fn afterwards(&mut self) -> io::Result<()> {
        for (_, after) in self.case.after.iter().filter(|(on, _)| on.contains(self.on)) {
            let problem = match after {
                After::Mode(path, mode) => {
                    let is = fs::metadata(self.stage.place(path))?.permissions().mode() & 0o7777;
                    (is != *mode).then(|| format!("{path}: mode {is:o}, not {mode:o}"))
                }
                After::Inline(path) => {
                    let inline = self.map(&self.stage.place(path))?.is_some_and(|map| map.is_inline());
                    (!inline).then(|| format!("{path}: not inline"))
                }
                After::Encoded(path) => {
                    let encoded = self.map(&self.stage.place(path))?.is_some_and(|map| map.is_encoded());
                    (!encoded).then(|| format!("{path}: not compressed"))
                }
                After::Shared(a, b, bytes) => {
                    let on_disk = |path| self.stage.mapped(&self.stage.place(path));
                    let shared = crate::shared_with(&on_disk(a)?, &on_disk(b)?)?;
                    (shared != *bytes).then(|| format!("{a} and {b} share {shared} bytes, not {bytes}"))
                }
                After::Absent(path) => self.stage.place(path).exists().then(|| format!("{path}: is there")),
                // A server may take space in advance.
                After::Allocated(..) if self.stage.column.beneath.is_some() => None,
                After::Allocated(path, bytes) => {
                    let is = crate::allocated(&self.stage.mapped(&self.stage.place(path))?)?;
                    let index = self.stage.column.profile.index;
                    (!(*bytes..=bytes + index).contains(&is))
                        .then(|| format!("{path}: takes {is} bytes, not {bytes}"))
                }
            };
            self.problems.extend(problem);
        }
        Ok(())
    }

    /// A caller's descriptor is never repositioned, and no other one of its file closed: that would drop the
    /// caller's locks.
    pub(crate) fn descriptors(&mut self, answer: &Answer) -> io::Result<()> {
        let call = &self.case.call;
        if call.takes_paths() {
            return Ok(());
        }
        let opened = if call.same_descriptor { 0 } else { call.targets.len() };
        let ends: Vec<_> = std::iter::once(&call.src).chain(&call.targets[..opened]).collect();
        let positions: Vec<&str> = answer.all("pos").flat_map(|word| word.split(',')).collect();
        let locks: Vec<&str> = answer.all("locks").flat_map(|word| word.split(',')).collect();
        for (slot, end) in ends.into_iter().enumerate() {
            let plain = end.flags & libc::O_PATH == 0 && self.stage.model(&end.path).is_some();
            if plain && positions.get(slot) != Some(&"3") {
                self.problems.push(format!("{}: position {:?}, not 3", end.path, positions.get(slot)));
            }
            let Ok(at) = self.stage.opened(end) else { continue };
            let ours = self.stage.model_path(&end.path).is_some_and(|path| self.stage.is_ours(path));
            if plain && ours && locks.get(slot).is_none_or(|lock| *lock == "-") {
                self.problems.push(format!("{}: the driver could not lock it", end.path));
            } else if plain && ours && !kernel::is_locked(&Handle::open(at)?, slot as u64)? {
                self.problems.push(format!("{}: the caller's lock is gone", end.path));
            }
        }
        Ok(())
    }
}

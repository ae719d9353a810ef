//! What a driver said, in the same words as what it should have said, so that the two can be compared and read.

use super::call::{Call, Verb};
use super::case::Face;
use super::outcome::{
    Abilities, Ability, Done, Outcome, Protection, Refused, Run, Status, Target, Tree, Way,
};
use super::reason::Reason;

/// The words `key=value` of a driver's line; a key may come more than once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer(Vec<(String, String)>);

/// An extent of an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) run: Run,
    pub(crate) physical: u64,
}

impl Answer {
    pub(crate) fn parse(line: &str) -> Result<Answer, String> {
        let words = line.strip_prefix("done ").ok_or_else(|| format!("no answer: {line}"))?;
        let pair = |word: &str| word.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
        let words: Option<Vec<_>> = words.split(' ').map(pair).collect();
        words.map(Answer).ok_or_else(|| format!("no answer: {line}"))
    }

    pub(crate) fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    fn first(&self, key: &str) -> &str {
        self.all(key).next().unwrap_or("missing")
    }

    pub(crate) fn number(&self, key: &str) -> u64 {
        self.first(key).parse().unwrap_or(0)
    }

    /// The extents; neighbours that are alike, also in the place, joined.
    pub(crate) fn extents(&self) -> Vec<Found> {
        let number = |field: Option<&str>| field.and_then(|field| field.parse().ok()).unwrap_or(0);
        let mut found: Vec<Found> = Vec::new();
        for word in self.all("x") {
            let mut fields = word.split(',');
            let mut next = || number(fields.next());
            let (logical, physical, length, flags) = (next(), next(), next(), next() as u32);
            found.push(Found { run: Run { logical, length, flags }, physical });
        }
        found
    }

    /// As a list of sentences, in the order of [`expected`].
    pub(crate) fn sentences(&self, call: &Call, face: Face) -> Vec<String> {
        let mut said = vec![self.error(call, face)];
        match call.verb {
            Verb::CopyRange
            | Verb::CloneRange
            | Verb::CloneOrCopyRange
            | Verb::CopyFile
            | Verb::CloneFile
            | Verb::CloneOrCopyFile => said.extend(self.moved(call)),
            Verb::DedupeRange | Verb::DedupeFiles => said.extend(self.all("t").map(said_of_target)),
            Verb::Extents => said.extend(joined(&self.extents()).iter().map(describe_run)),
            Verb::SharedBytes => said.extend(self.all("value").map(|value| format!("{value} bytes"))),
            Verb::Probe if self.first("errno") == "0" => {
                for verb in ["copy", "clone", "dedupe"] {
                    said.push(format!("{verb}: {}", said_of_ability(self.first(verb))));
                }
                said.push(format!("alignment {}", self.first("alignment")));
            }
            Verb::Probe => {}
            Verb::CopyTree | Verb::CloneTree | Verb::CloneOrCopyTree if self.first("errno") == "0" => {
                said.push(self.tree());
            }
            Verb::CopyTree | Verb::CloneTree | Verb::CloneOrCopyTree => {
                said.push(format!("at {:?}", self.first("at")));
            }
        }
        said.extend(self.all("unkept").map(unkept));
        said.extend(self.all("stable").map(held));
        said
    }

    fn tree(&self) -> String {
        let number = |key| self.number(key);
        let counts = [number("files"), number("directories"), number("links"), number("specials")];
        let bytes = [number("bytes"), number("copied"), number("cloned"), number("hole")];
        let not_whole = [number("vanished"), number("failures"), number("lost")];
        describe_tree(counts, bytes, &reason(self.first("fallback")), not_whole)
    }

    /// What a verb that writes did.
    fn moved(&self, call: &Call) -> Vec<String> {
        let end = self.first("end").split_once(',').map_or_else(
            || "missing".into(),
            |(errno, code)| format!("{} {}", errno_name(errno.parse().unwrap_or(-1)), reason(code)),
        );
        let mut said = vec![format!(
            "value {}, {} bytes: {} copied, {} cloned, {} hole, {} by a server; fallback {}, alignment {}, ended by {end}",
            self.first("value"),
            self.first("bytes"),
            self.first("copied"),
            self.first("cloned"),
            self.first("hole"),
            self.first("server"),
            reason(self.first("fallback")),
            self.first("alignment"),
        )];
        if call.verb == Verb::CloneRange {
            let word = match self.first("dest") {
                "0,0,0" => "as asked for".into(),
                "1,0,0" => "untouched".into(),
                "2,0,0" => "restored".into(),
                other => format!("not of this table: {other}"),
            };
            said.push(format!("destination {word}, undo file {}", self.first("kept")));
        }
        said
    }

    /// What stood between a failure and the destination.
    pub(crate) fn protection(&self) -> Option<Protection> {
        use Protection::*;
        [None, Size, Exchange, Undo].into_iter().find(|it| self.first("prot") == (*it as u8).to_string())
    }

    fn error(&self, call: &Call, face: Face) -> String {
        let code = if has_reason(call, face) { reason(self.first("reason")) } else { "(no reason)".into() };
        format!("{} {code}", errno_name(self.first("errno").parse().unwrap_or(-1)))
    }
}

/// The functions of C that look have no report to put a reason in.
fn has_reason(call: &Call, face: Face) -> bool {
    face != Face::C || !matches!(call.verb, Verb::Extents | Verb::SharedBytes | Verb::Probe)
}

/// What a driver must say.
pub(crate) fn expected(call: &Call, face: Face, outcome: &Outcome) -> Vec<String> {
    let error = |errno: i32, reason: Reason| {
        if has_reason(call, face) {
            format!("{} {reason:?}", errno_name(errno))
        } else {
            format!("{} (no reason)", errno_name(errno))
        }
    };
    let mut said = vec![match outcome {
        Outcome::Refused(refused) => error(refused.errno, refused.reason),
        _ => error(0, Reason::None),
    }];
    match outcome {
        Outcome::Refused(refused) if call.is_of_trees() => said.push(format!("at {:?}", refused.at)),
        Outcome::Refused(refused) if call.writes() => said.push(describe_refusal(refused)),
        Outcome::Refused(_) => {}
        Outcome::Done(done) => said.push(describe_done(call, done)),
        Outcome::Targets(targets) => said.extend(targets.iter().map(describe_target)),
        Outcome::Runs(runs) => said.extend(runs.iter().map(describe_run)),
        Outcome::Tree(tree) => {
            let Tree { files, directories, links, specials, copied, cloned, hole, fallback } = *tree;
            let bytes = [copied + cloned + hole, copied, cloned, hole];
            let fallback = format!("{:?}", fallback.unwrap_or(Reason::None));
            said.push(describe_tree([files, directories, links, specials], bytes, &fallback, [0; 3]));
        }
        Outcome::Number(bytes) => said.push(format!("{bytes} bytes")),
        Outcome::Abilities(abilities) => {
            let Abilities { copy, clone, dedupe } = abilities;
            for (verb, ability) in [("copy", copy), ("clone", clone), ("dedupe", dedupe)] {
                said.push(format!("{verb}: {}", describe_ability(ability)));
            }
            said.push(format!("alignment {}", abilities.alignment()));
        }
    }
    if call.verb == Verb::CloneRange {
        let word = match outcome {
            Outcome::Refused(refused) if refused.restored => "restored",
            Outcome::Refused(_) => "untouched",
            _ => "as asked for",
        };
        said.push(format!("destination {word}, undo file -"));
    }
    if call.made().is_some() && !call.is_of_trees() {
        let (bits, way) = match outcome {
            Outcome::Done(done) => (done.unkept, done.stable.unwrap_or("none")),
            _ => (0, "none"),
        };
        said.push(unkept(&bits.to_string()));
        said.push(held(way));
    }
    said
}

fn held(way: &str) -> String {
    format!("source held by {way}")
}

fn describe_tree(
    [files, directories, links, specials]: [u64; 4],
    [bytes, copied, cloned, hole]: [u64; 4],
    fallback: &str,
    [vanished, failures, lost]: [u64; 3],
) -> String {
    format!(
        "{files} files, {directories} directories, {links} links, {specials} specials, {bytes} bytes: {copied} copied, \
         {cloned} cloned, {hole} hole; fallback {fallback}; {vanished} vanished, {failures} failed, metadata not kept: {lost}"
    )
}

fn unkept(bits: &str) -> String {
    format!("metadata not kept: {bits}")
}

fn describe_refusal(refused: &Refused) -> String {
    format!(
        "value -, 0 bytes: 0 copied, 0 cloned, 0 hole, 0 by a server; fallback None, alignment {}, ended by {} {:?}",
        refused.alignment,
        errno_name(refused.errno),
        refused.reason
    )
}

fn describe_done(call: &Call, done: &Done) -> String {
    let (errno, reason) = done.end.unwrap_or((0, Reason::None));
    format!(
        "value {}, {} bytes: {} copied, {} cloned, {} hole, {} by a server; fallback {:?}, alignment {}, ended by {} {reason:?}",
        if call.verb == Verb::CloneRange || call.takes_paths() { 0 } else { done.total() },
        done.total(),
        done.bytes(Way::Copied),
        done.bytes(Way::Cloned),
        done.bytes(Way::Hole),
        done.bytes(Way::Server),
        done.fallback.unwrap_or(Reason::None),
        done.alignment(),
        errno_name(errno)
    )
}

fn describe_target(target: &Target) -> String {
    let status = match target.status {
        Status::NotReached => "not reached".into(),
        Status::Same => "same".into(),
        Status::Differs => "differs".into(),
        Status::Failed(errno, reason) => format!("failed {} {reason:?}", errno_name(errno)),
    };
    let known = |number: Option<u64>| number.map_or("-".into(), |number| number.to_string());
    format!(
        "{status}: {} compared, {} shared, {} already, differs at {}",
        target.compared,
        known(target.shared),
        known(target.already_shared),
        known(target.differs_at)
    )
}

fn said_of_target(word: &str) -> String {
    let fields: Vec<&str> = word.split(',').collect();
    let [status, errno, code, compared, shared, already, differs] = fields[..] else { return word.into() };
    let error = format!("{} {}", errno_name(errno.parse().unwrap_or(-1)), reason(code));
    let status = match status {
        "0" => "not reached".into(),
        "1" => "same".into(),
        "2" => "differs".into(),
        "3" => format!("failed {error}"),
        _ => format!("status {status}"),
    };
    // An error beside any other status would be a second, contradicting answer.
    let stray =
        if errno != "0" && !status.starts_with("failed") { format!(" with {error}") } else { String::new() };
    format!("{status}{stray}: {compared} compared, {shared} shared, {already} already, differs at {differs}")
}

fn joined(found: &[Found]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for Found { run, .. } in found {
        match runs.last_mut() {
            Some(last) if last.flags == run.flags && last.logical + last.length == run.logical => {
                last.length += run.length;
            }
            _ => runs.push(*run),
        }
    }
    runs
}

fn describe_run(run: &Run) -> String {
    format!("{}..{} flags {:#x}", run.logical, run.logical + run.length, run.flags)
}

fn describe_ability(ability: &Ability) -> String {
    match ability {
        Ability::Yes => "yes".into(),
        Ability::No(errno, reason) => format!("no, {} {reason:?}", errno_name(*errno)),
        Ability::Unknown(reason) => format!("unknown, {reason:?}"),
    }
}

fn said_of_ability(word: &str) -> String {
    let fields: Vec<&str> = word.split(',').collect();
    let [answer, errno, code] = fields[..] else { return word.into() };
    match (answer, errno, code) {
        ("1", "0", "0") => "yes".into(),
        ("2", errno, code) => format!("no, {} {}", errno_name(errno.parse().unwrap_or(-1)), reason(code)),
        ("0", "0", code) => format!("unknown, {}", reason(code)),
        _ => word.into(),
    }
}

fn reason(code: &str) -> String {
    Reason::name(code).map_or_else(|| format!("reason {code}"), str::to_owned)
}

fn errno_name(errno: i32) -> String {
    macro_rules! names {
        ($($name:ident)*) => {
            match errno {
                0 => "ok".into(),
                $(libc::$name => stringify!($name).into(),)*
                other => format!("errno {other}"),
            }
        };
    }
    names! {
        EPERM EINTR EIO EBADF EAGAIN ENOMEM EACCES EXDEV ENODEV EISDIR EINVAL ETXTBSY EFBIG ENOSPC ESPIPE EROFS ENOTTY
        EOVERFLOW EOPNOTSUPP EDQUOT ECANCELED EEXIST ENOENT ENOTDIR ELOOP ENAMETOOLONG
    }
}

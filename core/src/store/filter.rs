//! Which files and directories are looked at, by size and by name.

use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

pub(super) struct Filter {
    min_size: u64,
    include: Option<GlobSet>,
    exclude: Option<GlobSet>,
}

impl Filter {
    /// `None` where a pattern is none.
    pub(super) fn new(min_size: u64, include: &[&str], exclude: &[&str]) -> Option<Filter> {
        let set = |patterns: &[&str]| {
            let some = (!patterns.is_empty()).then(|| patterns_of(patterns));
            // Not given is no failure.
            some.map_or(Some(None), |set| set.map(Some))
        };
        // An empty file has nothing to share.
        Some(Filter { min_size: min_size.max(1), include: set(include)?, exclude: set(exclude)? })
    }

    pub(super) fn enters(&self, relative: &Path) -> bool {
        !matches(&self.exclude, relative)
    }

    pub(super) fn takes(&self, size: u64, relative: impl FnOnce() -> std::path::PathBuf) -> bool {
        if size < self.min_size {
            return false;
        }
        if self.include.is_none() && self.exclude.is_none() {
            return true;
        }
        let relative = relative();
        (self.include.is_none() || matches(&self.include, &relative)) && !matches(&self.exclude, &relative)
    }
}

fn matches(set: &Option<GlobSet>, relative: &Path) -> bool {
    set.as_ref().is_some_and(|set| set.is_match(relative))
}

/// A pattern without a slash is one of a name, at any depth; one with a slash is one of the whole path beneath the root.
fn patterns_of(patterns: &[&str]) -> Option<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let whole = match pattern.strip_prefix('/') {
            Some(path) => path.to_owned(),
            None if pattern.contains('/') => (*pattern).to_owned(),
            None => format!("**/{pattern}"),
        };
        set.add(GlobBuilder::new(&whole).literal_separator(true).build().ok()?);
    }
    set.build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn takes(filter: &Filter, path: &str) -> bool {
        filter.takes(10, || PathBuf::from(path))
    }

    #[test]
    fn patterns_of_names_and_of_paths() {
        let names = Filter::new(0, &["*.iso", "/top"], &["tmp*"]).unwrap();
        assert!(takes(&names, "a.iso") && takes(&names, "deep/er/a.iso") && takes(&names, "top"));
        assert!(!takes(&names, "a.is") && !takes(&names, "deep/top") && !takes(&names, "deep/tmp.iso"));
        assert!(!names.enters(Path::new("a/tmpdir")) && names.enters(Path::new("a/dir")));
        let paths = Filter::new(0, &[], &["a/*/c", "b/**"]).unwrap();
        assert!(!takes(&paths, "a/x/c") && takes(&paths, "a/x/y/c") && !takes(&paths, "b/x/y"));
        assert!(Filter::new(0, &["["], &[]).is_none());
    }

    #[test]
    fn small_ones_are_left_out() {
        let filter = Filter::new(10, &[], &[]).unwrap();
        assert!(takes(&filter, "x") && !filter.takes(9, PathBuf::new));
        assert!(!Filter::new(0, &[], &[]).unwrap().takes(0, PathBuf::new));
    }
}

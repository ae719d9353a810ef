//! The command line.

pub(crate) struct Arguments {
    /// Of each scenario; else as many as it says itself.
    pub(crate) rounds: Option<usize>,
    /// How much is copied where a scenario has no size of its own.
    pub(crate) bytes: u64,
    pub(crate) list: bool,
    pub(crate) words: Vec<String>,
}

impl Arguments {
    pub(crate) fn parse(words: Vec<String>) -> Result<Self, String> {
        let mut parsed = Arguments { rounds: None, bytes: 128 << 20, list: false, words: Vec::new() };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let mut number = || {
                let number = words.next().and_then(|number| number.parse::<u32>().ok()).filter(|n| *n > 0);
                number.ok_or_else(|| format!("{word} needs a number"))
            };
            match word.as_str() {
                "--list" => parsed.list = true,
                "--rounds" => parsed.rounds = Some(number()? as usize),
                "--mib" => parsed.bytes = u64::from(number()?) << 20,
                option if option.starts_with("--") => return Err(format!("unknown option {option}")),
                _ => parsed.words.push(word),
            }
        }
        Ok(parsed)
    }
}

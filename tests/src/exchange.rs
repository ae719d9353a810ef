//! The feature of XFS that XFS_IOC_EXCHANGE_RANGE needs.

use std::path::Path;
use std::process::Command;

/// Sets its bit in every superblock of an image that is not mounted, for which mkfs.xfs(8) has an option only since 6.10;
/// or clears it, for an xfs_repair(8) that does not know it. It stands for nothing on disk but the log, which an unmount
/// empties.
pub fn set_exchange(image: &Path, on: bool) -> Result<(), String> {
    const EXCHANGE: u64 = 0x40;
    let groups = ask(image, "agcount")?;
    let features = ask(image, "features_incompat")? & !EXCHANGE | if on { EXCHANGE } else { 0 };
    let mut expert = vec!["-x".to_owned()];
    for group in 0..groups {
        let write = format!("write -d features_incompat {features:#x}");
        expert.extend(["-c".into(), format!("sb {group}"), "-c".into(), write]);
    }
    xfs_db(image, &expert).map(drop)
}

/// A number of the first superblock.
fn ask(image: &Path, what: &str) -> Result<u64, String> {
    let words = ["-r", "-c", "sb 0", "-c", &format!("print {what}")].map(str::to_owned);
    let said = xfs_db(image, &words)?;
    let value = said.trim().rsplit(' ').next().unwrap_or_default();
    let number = match value.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => value.parse(),
    };
    number.map_err(|_| format!("xfs_db: no number: {said}"))
}

fn xfs_db(image: &Path, words: &[String]) -> Result<String, String> {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let output = Command::new("xfs_db").args(words).arg(image).env("PATH", path).output();
    let output = output.map_err(|error| format!("xfs_db: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("xfs_db: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }
}

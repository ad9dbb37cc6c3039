//! Every corpus input gives what its golden file says, and is recognised as its folder's format.

use crate::samples::{corpus, given, spelled};

#[test]
fn every_sample_gives_its_golden_file() {
    let mut wrong = Vec::new();
    for sample in corpus() {
        let (format, given) = given(&sample.bytes);
        let golden: String = sample
            .golden
            .lines()
            .filter(|line| !line.starts_with("stops-"))
            .map(|line| format!("{line}\n"))
            .collect();
        let spelled = spelled(&given, &sample.bytes);
        if spelled != golden || !sample.name.starts_with(&format!("{format}/")) {
            let name = &sample.name;
            wrong.push(format!(
                "{name} is {format}, gives\n{spelled}instead of\n{golden}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

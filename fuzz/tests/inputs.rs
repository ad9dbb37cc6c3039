//! Every seed, and every input that once broke something, goes through its target. One test, since
//! targets measure memory and others running beside them would count.

use fuzz::{run, seeds, target, targets};

#[test]
fn every_input_that_ever_broke_something_is_survived_now() {
    for folder in seeds::found_folders().expect("the inputs are there") {
        assert!(
            target(&folder).is_some(),
            "fuzz/regressions/{folder} is named for no target"
        );
    }
    let mut without = Vec::new();
    for target in targets() {
        let seeds = seeds::seeds(&target).expect("the seeds are there");
        if seeds.is_empty() {
            without.push(target.name);
        }
        for seed in seeds {
            println!("{target:?}: {}", seed.name);
            run(&target, &seed.bytes);
        }
    }
    assert!(
        without.is_empty(),
        "no seeds for {without:?}: a format's are its samples in corpus/, those of other targets \
         are in fuzz/seeds/"
    );
}

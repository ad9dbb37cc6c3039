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
    for target in targets() {
        let seeds = seeds::seeds(&target).expect("the seeds are there");
        assert!(
            !seeds.is_empty(),
            "{target:?} has no seeds: add samples to corpus/{target:?}"
        );
        for seed in seeds {
            println!("{target:?}: {}", seed.name);
            run(&target, &seed.bytes);
        }
    }
}

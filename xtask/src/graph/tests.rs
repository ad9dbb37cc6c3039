//! Each rule is broken once in a made-up graph, and must say so.

use super::*;
use crate::role::BuildsC;

/// A graph from the text of one tree, where each role allows what it is built from.
fn graph(text: &str) -> Graph {
    let tree = || Tree::parse(text, "/x").expect("tree");
    let mut graph = Graph {
        linked: tree(),
        built: tree(),
        ours: Vec::new(),
        native: BTreeSet::new(),
        declared: BTreeMap::new(),
        dangerous: Dangerous::load().expect("crates.toml"),
    };
    for folder in shipped(&graph.built) {
        let from = graph.built.member(&folder).expect("member");
        let closure = graph.built.closure(from);
        let foreign = closure.iter().filter(|found| found.folder.is_none());
        let names = foreign.map(|found| found.name.clone()).collect();
        let declared = Dependencies {
            allowed: names,
            ..Dependencies::default()
        };
        graph.declared.insert(folder, declared);
    }
    graph
}

fn used(folder: &str, features: &[&str]) -> Use {
    Use {
        folder: folder.to_owned(),
        features: features.iter().map(|name| (*name).to_owned()).collect(),
    }
}

fn only_problem(graph: &Graph) -> String {
    let problems = judge(graph);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    problems.concat()
}

const SOUND: &str = "\
0 candor v0.1.0 (/x/roles/cli)
1 pool v0.1.0 (/x/sys/pool)
2 proto v0.1.0 (/x/pure/proto)
1 clap v4.0.0
0 candor-worker v0.1.0 (/x/roles/worker)
1 engine v0.1.0 (/x/pure/engine)
2 unpack v0.1.0 (/x/pure/unpack)
3 miniz_oxide v0.8.0
0 candor-worker-yara v0.1.0 (/x/roles/worker-yara)
1 candor-worker v0.1.0 (/x/roles/worker) (*)
1 yara-x v1.0.0
";

#[test]
fn this_checkout_keeps_the_dependency_rule() {
    let workspace = Workspace::load().expect("cargo metadata");
    assert_eq!(check(&workspace), Ok(Problems::new()));
}

#[test]
fn a_sound_graph_passes() {
    assert_eq!(judge(&graph(SOUND)), Problems::new());
}

#[test]
fn the_command_must_not_reach_a_parser_however_far_away() {
    for parser in ["unpack", "engine", "rules"] {
        let text = format!(
            "0 candor v0.1.0 (/x/roles/cli)\n1 pool v0.1.0 (/x/sys/pool)\n2 {parser} v0.1.0 (/x/pure/{parser})\n"
        );
        let said = only_problem(&graph(&text));
        assert!(
            said.contains(&format!("candor -> pool -> {parser}")),
            "{said}"
        );
    }
}

#[test]
fn no_other_role_may_parse_or_run_yara() {
    for role in ["cli", "guard", "hub", "gateway", "fetch", "console"] {
        for (found, why) in [
            ("engine v0.1.0 (/x/pure/engine)", "only a worker parses"),
            ("yara-x v1.0.0", "only the worker for it runs YARA"),
        ] {
            let text = format!("0 {role} v0.1.0 (/x/roles/{role})\n1 {found}\n");
            let said = only_problem(&graph(&text));
            assert!(said.contains(why), "{said}");
        }
    }
}

#[test]
fn tls_is_for_fetch_and_lab() {
    for name in ["rustls", "openssl", "native-tls", "ring", "aws-lc-rs"] {
        let text = |role: &str| format!("0 r v0.1.0 (/x/roles/{role})\n1 {name} v1.0.0\n");
        for refused in ["cli", "worker", "guard", "gateway", "hub", "lab"] {
            let said = only_problem(&graph(&text(refused)));
            assert!(said.contains("speak TLS"), "{said}");
        }
        for accepted in ["fetch", "lab-gateway"] {
            assert_eq!(judge(&graph(&text(accepted))), Problems::new());
        }
    }
}

#[test]
fn the_network_is_for_fetch_gateway_and_lab() {
    for name in ["tokio", "mio", "hyper", "reqwest", "socket2"] {
        let text = |role: &str| format!("0 r v0.1.0 (/x/roles/{role})\n1 {name} v1.0.0\n");
        for refused in ["cli", "worker", "guard", "hub", "lab"] {
            let said = only_problem(&graph(&text(refused)));
            assert!(said.contains("speak to the network"), "{said}");
        }
        for accepted in ["fetch", "gateway", "lab-gateway"] {
            assert_eq!(judge(&graph(&text(accepted))), Problems::new());
        }
    }
}

#[test]
fn pure_and_sys_crates_are_held_to_it_too() {
    for folder in ["pure/tlog", "sys/pool"] {
        let text = format!("0 r v0.1.0 (/x/{folder})\n1 tokio v1.0.0\n");
        assert!(only_problem(&graph(&text)).contains("network"));
    }
}

#[test]
fn nothing_brings_c_into_the_build() {
    for builder in ["cc", "cmake", "pkg-config", "bindgen"] {
        let text = format!("0 w v0.1.0 (/x/roles/worker)\n1 zstd v1.0.0\n2 {builder} v1.0.0\n");
        let said = only_problem(&graph(&text));
        assert!(said.contains(&format!("w -> zstd -> {builder}")), "{said}");
    }
    let mut native = graph("0 w v0.1.0 (/x/roles/worker)\n1 zstd-sys v1.0.0\n");
    assert_eq!(
        judge(&native),
        Problems::new(),
        "a -sys crate that links nothing"
    );
    native.native.insert("zstd-sys".to_owned());
    assert!(only_problem(&native).contains("brings C"));
}

#[test]
fn only_what_role_toml_declares_and_all_of_it() {
    let mut graph = graph(SOUND);
    let declare = |graph: &mut Graph, names: &[&str]| {
        let worker = graph.declared.get_mut("roles/worker").expect("worker");
        worker.allowed = names.iter().map(|name| (*name).to_owned()).collect();
    };
    declare(&mut graph, &[]);
    let said = only_problem(&graph);
    assert!(
        said.contains("allowed in roles/worker/role.toml does not list: \"miniz_oxide\""),
        "{said}"
    );

    declare(&mut graph, &["miniz_oxide", "left-over"]);
    let said = only_problem(&graph);
    assert!(
        said.contains("in allowed that nothing needs: \"left-over\""),
        "{said}"
    );

    declare(&mut graph, &["miniz_oxide"]);
    graph.declared.remove("roles/cli");
    assert!(only_problem(&graph).contains("roles/cli/role.toml is missing"));
}

#[test]
fn what_only_runs_at_build_time_is_declared_apart() {
    let mut graph = graph(SOUND);
    let macros = SOUND.replace(
        "1 clap v4.0.0",
        "1 clap v4.0.0\n2 clap_derive v4.0.0 (proc-macro)\n3 syn v3.0.0",
    );
    graph.built = Tree::parse(&macros, "/x").expect("tree");
    let said = only_problem(&graph);
    assert!(said.contains("build_time in roles/cli/role.toml"), "{said}");
    assert!(said.contains("\"clap_derive\", \"syn\""), "{said}");
    let cli = graph.declared.get_mut("roles/cli").expect("cli");
    cli.build_time = vec!["clap_derive".to_owned(), "syn".to_owned()];
    assert_eq!(judge(&graph), Problems::new());
}

#[test]
fn attacks_on_the_jail_are_for_tests() {
    let mut graph = graph(SOUND);
    let kernel = used("sys/kernel", &["attacks"]);
    graph.ours.push(("tests".to_owned(), kernel.clone()));
    assert_eq!(judge(&graph), Problems::new());
    graph.ours.push(("roles/worker".to_owned(), kernel));
    assert!(only_problem(&graph).contains("that is for tests"));
}

#[test]
fn dependencies_run_from_roles_to_sys_to_pure() {
    let refused = [
        ("pure/unpack", "sys/kernel", "pure crates only"),
        ("pure/unpack", "roles/worker", "built from a role"),
        ("sys/pool", "roles/worker", "built from a role"),
        ("roles/cli", "roles/worker", "built from a role"),
        ("roles/worker", "roles/worker-yara", "built from a role"),
        ("pure/proto", "pure/rules", "nothing of ours"),
        ("pure/tlog", "pure/proto", "nothing of ours"),
        ("roles/cli", "tests", "never built from tests"),
    ];
    for (from, to, reason) in refused {
        let mut graph = graph(SOUND);
        graph.ours.push((from.to_owned(), used(to, &[])));
        let said = only_problem(&graph);
        assert!(said.contains(reason), "{said}");
    }
    let accepted = [
        ("roles/worker", "sys/kernel"),
        ("roles/worker", "pure/engine"),
        ("roles/worker-yara", "roles/worker"),
        ("sys/pool", "sys/kernel"),
        ("sys/kernel", "pure/proto"),
        ("pure/engine", "pure/rules"),
        ("tests", "roles/worker"),
    ];
    for (from, to) in accepted {
        assert_eq!(wrong_direction(from, to), None, "{from} -> {to}");
    }
}

const WITH_C: &str = "\
0 candor-worker-yara v0.1.0 (/x/roles/worker-yara)
1 yara-x v1.0.0
2 wasmtime v1.0.0
3 cc v1.0.0
";

fn bearing(user: &str, reason: &str) -> Graph {
    let mut graph = graph(WITH_C);
    let declared = graph
        .declared
        .get_mut("roles/worker-yara")
        .expect("declared");
    declared.builds_c.push(BuildsC {
        name: user.to_owned(),
        with: "cc".to_owned(),
        reason: reason.to_owned(),
    });
    graph
}

#[test]
fn c_is_borne_only_for_the_crate_that_is_named_and_with_a_reason() {
    assert_eq!(judge(&bearing("wasmtime", "one function")), Problems::new());
    let said = only_problem(&bearing("wasmtime", " "));
    assert!(said.contains("brings C into the build"), "{said}");
    let problems = judge(&bearing("yara-x", "one function")).concat();
    for part in ["brings C into the build", "builds with cc, and it does not"] {
        assert!(problems.contains(part), "{part:?} in {problems}");
    }
}

#[test]
fn c_of_another_crate_beside_the_one_that_is_borne_is_refused() {
    let mut graph = bearing("wasmtime", "one function");
    let more = format!("{WITH_C}1 other v1.0.0\n2 cc v1.0.0\n");
    graph.built = Tree::parse(&more, "/x").expect("tree");
    let problems = judge(&graph).concat();
    assert!(problems.contains("brings C into the build"), "{problems}");
}

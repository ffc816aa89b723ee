//! `export` and `import`, as a user meets them, on the embedded digits.

use std::path::Path;
use std::process::{Command, Output};

fn run(folder: &Path, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kwinners"));
    command.args(line.split_whitespace()).current_dir(folder).env_remove("KWINNERS_DATA");
    command.output().expect("the binary runs")
}

fn succeed(folder: &Path, line: &str) {
    let output = run(folder, line);
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

fn refuse(folder: &Path, line: &str, part: &str) {
    let output = run(folder, line);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{line}: {message}");
    assert!(message.contains(part), "{line}: {message}");
}

#[test]
fn models_go_out_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let small = "--set units=64 --set winners=4 --set epochs=1";
    succeed(folder, &format!("fit autoencoder --data digits --out a.kw {small}"));
    for layout in ["saelens", "linear"] {
        succeed(folder, &format!("export a.kw --out sae --layout {layout}"));
        succeed(folder, "import sae --out b.kw --data digits");
        for model in ["a", "b"] {
            succeed(folder, &format!("encode {model}.kw --data digits --out {model}.npz"));
        }
        let codes = |name: &str| std::fs::read(folder.join(name)).unwrap();
        assert_eq!(codes("a.npz"), codes("b.npz"), "{layout}");
    }
    std::fs::write(folder.join("far.csv"), (["100"; 64].join(",") + "\n").repeat(3)).unwrap();
    refuse(folder, "import sae --out c.kw --data far.csv", "mean length of the inputs");
    let projection = "fit random-projection --data digits --out p.kw";
    succeed(folder, projection);
    refuse(folder, "export p.kw --out other", "only autoencoders");
    refuse(folder, "import nothing --out c.kw", "nothing");
}

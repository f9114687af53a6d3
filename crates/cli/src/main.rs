//! The program `weft`.

fn main() -> std::process::ExitCode {
    weft_cli::main()
}

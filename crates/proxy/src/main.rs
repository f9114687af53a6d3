//! The data plane program.

fn main() -> std::process::ExitCode {
    weft_proxy::main()
}

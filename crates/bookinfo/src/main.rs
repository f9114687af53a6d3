//! The Bookinfo program.

fn main() -> std::process::ExitCode {
    weft_bookinfo::main()
}

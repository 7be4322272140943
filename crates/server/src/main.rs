//! The program: one binary that serves, manages and diagnoses. See [`admit::cli`].

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    admit::cli::main()
}

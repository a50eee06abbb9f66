"""A small evaluator of Bicep, for machines without the compiler: what a deployment would send to Azure.

It writes the form that `bicep snapshot` writes: predicted resources, outputs, diagnostics, and what only Azure knows as
an expression of its template language. tests/infra holds it to files that the compiler itself wrote. It knows no name
of this project, and no more of Bicep than this project's templates use; what it does not know, it refuses.

`reading` has `pycep-parser` read a file, `evaluate` works out the deployment (`functions` what is known at once,
`runtime` what is not), `snapshot` is the form, `models` holds it against the management SDKs, `settled` works out the
expressions that are left, from what is known of the place where it goes.
"""

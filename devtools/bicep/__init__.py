"""A small evaluator of Bicep, for machines without the compiler: what a deployment would send to Azure.

It writes the form that `bicep snapshot` writes: predicted resources, outputs, diagnostics, and what only Azure knows as
an expression of its template language. tests/infra holds it to files that the compiler itself wrote. It knows no name
of this project, and no more of Bicep than this project's templates use; what it does not know, it refuses.

`syntax` has `pycep-parser` read a file, of which `reading` takes what is declared. `evaluate` works out the deployment,
and `expressions` its values (`functions` has what is known at once, `runtime` what is not); a `deployment` writes the
form. `properties` holds it against the `models` of the management SDKs, and `settled` works out the expressions that
are left, from what is known of the place where it goes.
"""

"""What deployments take; the package `deploy.build` writes what is generated of it."""

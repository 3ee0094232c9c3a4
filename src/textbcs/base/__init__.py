"""What every other package uses: files and their hashes, numeric kernels, the names of variants."""

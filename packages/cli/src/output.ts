/**
 * A reader that goes away early (`lvnet ls | head`) is no error: what is written from then on is lost, the
 * command ends as it would have. Any other failure of stdout, as a full disk behind it, is one.
 */
export function guardOutput(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (isGoneReader(error)) return;
      process.exitCode = 1;
      if (stream === process.stdout) process.stderr.write(`The output cannot be written: ${error.message}\n`);
    });
  }
}

const isGoneReader = ({ code }: NodeJS.ErrnoException): boolean =>
  code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED';

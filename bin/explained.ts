/** The end of a program: an error that is the operator's to mend is told in a line, and the exit code is 1. */
import { HoldfastError } from '../lib/core/errors.js';
import { USAGE } from './arguments.js';

export async function explained(work: () => Promise<number>): Promise<number> {
	try {
		return await work();
	} catch (error) {
		if (!(error instanceof HoldfastError)) throw error;
		process.stderr.write(
			`[ALERT]    (${process.pid}) : ${error.message}\n${error.code === 'ARGUMENT_INVALID' ? USAGE : ''}`,
		);
		return 1;
	}
}

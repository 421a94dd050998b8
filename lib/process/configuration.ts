/** How a process of Holdfast calls the configuration reader: the one place that knows the machine. */
import { readFileSync } from 'node:fs';
import { availableParallelism, hostname } from 'node:os';
import type { LoadOptions } from '../config/index.js';
import type { ConfigArguments, ConfigFile } from './messages.js';

export { readConfigurationFiles } from '../config/files.js';

/** Of a program that only looks into the files. */
const NO_ARGUMENTS: ConfigArguments = {
	localpeer: undefined,
	maxconn: undefined,
	masterWorker: false,
	daemon: false,
	pidfile: undefined,
	diagnosticMode: false,
	ignoreResolutionFailures: true,
	skipServerVerify: false,
	zeroWarning: false,
};

/** Options of `loadConfiguration` for this machine and command line. */
export function configurationOptions(files: readonly ConfigFile[], args: ConfigArguments = NO_ARGUMENTS): LoadOptions {
	return {
		files,
		arguments: args,
		environment: process.env,
		hostName: hostname(),
		cores: availableParallelism(),
		readFile: (path) => readFileSync(path, 'latin1'),
	};
}

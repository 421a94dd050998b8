/** The configuration looked at without serving it: `-c`, and whether it asks for the background. */
import { loadConfiguration } from '../config/index.js';
import { type Diagnostic, Diagnostics } from '../core/diagnostics.js';
import { HoldfastError } from '../core/errors.js';
import { createLogger } from '../core/logger.js';
import { configurationOptions, readConfigurationFiles } from './configuration.js';
import { socketRequests } from './listening-socket.js';
import type { ConfigArguments, ConfigFile } from './messages.js';
import { FATAL, prepareConfiguration } from './prepare.js';

export interface CheckResult {
	readonly diagnostics: readonly Diagnostic[];
	/** Why it would not start; undefined when it would. */
	readonly failure: string | undefined;
	readonly hasListeners: boolean;
}

/** Reads, checks and compiles a configuration as a worker does, and throws the result away. */
export async function checkConfiguration(paths: readonly string[], args: ConfigArguments): Promise<CheckResult> {
	const diagnostics = new Diagnostics();
	try {
		const files = readConfigurationFiles(paths);
		const prepared = await prepareConfiguration(
			files,
			args,
			diagnostics,
			createLogger({ level: 'silent' }),
			() => undefined,
		);
		const hasListeners = prepared === undefined || socketRequests(prepared.model).length > 0;
		return { diagnostics: diagnostics.list, failure: prepared === undefined ? FATAL : undefined, hasListeners };
	} catch (error) {
		if (!(error instanceof HoldfastError)) throw error;
		return { diagnostics: diagnostics.list, failure: error.message, hasListeners: true };
	}
}

/** True when the files say `daemon`; false too when they do not parse. */
export function saysDaemon(files: readonly ConfigFile[], args: ConfigArguments): boolean {
	return loadConfiguration(configurationOptions(files, args), new Diagnostics())?.global.daemon === true;
}

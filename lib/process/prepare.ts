/** From the files' text to everything that a generation is started with, every mistake on the way reported. */

import {
	allocateShared,
	type CompiledConfiguration,
	compileForControl,
	type FormerState,
	resolveBindNames,
	resolveServerNames,
	resolveSideNames,
	type SharedState,
} from '../compile/index.js';
import { readConfiguration } from '../config/index.js';
import type { ConfigModel } from '../config/model.js';
import type { Diagnostics } from '../core/diagnostics.js';
import { HoldfastError } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import { setProgramPid } from '../core/program-pid.js';
import { configurationOptions } from './configuration.js';
import type { ConfigArguments, ConfigFile } from './messages.js';

export const FATAL = 'Fatal errors found in configuration.';

export interface PreparedConfiguration {
	readonly model: ConfigModel;
	readonly shared: SharedState;
	readonly compiled: CompiledConfiguration;
}

/**
 * Parses, resolves, allocates and compiles. Undefined after any alert; rules are compiled even when the
 * parser has complained, so that one run names every mistake. `formerOf` says whose tables it takes over, those
 * with the same layout.
 * @throws HoldfastError TABLE_TOO_LARGE, or CONFIG_INVALID for `zero-warning`
 */
export async function prepareConfiguration(
	files: readonly ConfigFile[],
	args: ConfigArguments,
	diagnostics: Diagnostics,
	logger: Logger,
	formerOf: (model: ConfigModel) => FormerState | undefined,
): Promise<PreparedConfiguration | undefined> {
	const written = readConfiguration(configurationOptions(files, args), diagnostics);
	if (written === undefined) return undefined;
	if (diagnostics.errorCount > 0) {
		lookForMore(written, diagnostics, logger);
		return undefined;
	}
	setProgramPid(written.global.masterWorker);
	const model = await resolveSideNames(await resolveBindNames(written, diagnostics), diagnostics);
	const former = formerOf(model);
	const resolved = await resolveServerNames(model, diagnostics, args.ignoreResolutionFailures, former);
	const shared = allocateShared(model, resolved, former);
	const compiled = compileForControl(model, shared, diagnostics, logger);
	if (compiled === undefined || diagnostics.errorCount > 0) return undefined;
	if ((args.zeroWarning || model.global.zeroWarning) && diagnostics.warningCount > 0) {
		throw new HoldfastError('CONFIG_INVALID', "Some warnings were found and 'zero-warning' is set. Aborting.");
	}
	return { model, shared, compiled };
}

/** What the parser has refused may be missing from the model: what then cannot be built is no news. */
function lookForMore(model: ConfigModel, diagnostics: Diagnostics, logger: Logger): void {
	try {
		compileForControl(model, allocateShared(model, new Map()), diagnostics, logger);
	} catch (error) {
		logger.debug({ err: error }, 'the rules of a faulty configuration could not all be looked at');
	}
}

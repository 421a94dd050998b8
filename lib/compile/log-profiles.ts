/** The `log-profile` sections, compiled for the lines of one proxy: which format a step has (HAProxy 3.1). */
import type { LogStep, RuleLogStep } from '../config/keywords/log-profile.js';
import type { Line, LogProfileModel } from '../config/model.js';
import { compileLogFormat, type LogFormat } from '../sample/log-format.js';
import type { CompileContext } from '../sample/types.js';

export type ProfileStep = LogStep | RuleLogStep | 'error';

export interface ProfileEntry {
	readonly drop: boolean;
	readonly format: LogFormat | undefined;
	readonly sd: LogFormat | undefined;
}

export class LogProfile {
	readonly logTag: string | undefined;
	readonly #entries: ReadonlyMap<string, ProfileEntry>;

	constructor(logTag: string | undefined, entries: ReadonlyMap<string, ProfileEntry>) {
		this.logTag = logTag;
		this.#entries = entries;
	}

	/** What the profile says of a step; undefined: nothing, the proxy's own formats are used. */
	at(step: ProfileStep): ProfileEntry | undefined {
		return this.#entries.get(step) ?? this.#entries.get('any');
	}

	has(step: ProfileStep): boolean {
		return this.at(step) !== undefined;
	}
}

/** All profiles: any of them may be named by a `do-log` rule. */
export function compileLogProfiles(
	models: readonly LogProfileModel[],
	context: CompileContext,
): ReadonlyMap<string, LogProfile> {
	const profiles = new Map<string, LogProfile>();
	for (const { name, logTag, steps } of models) {
		const entries = new Map<string, ProfileEntry>();
		for (const [step, { drop, format, sd }] of steps) {
			entries.set(step, { drop, format: compileLine(format, context), sd: compileLine(sd, context) });
		}
		profiles.set(name, new LogProfile(logTag, entries));
	}
	return profiles;
}

function compileLine(line: Line | undefined, context: CompileContext): LogFormat | undefined {
	if (line === undefined) return undefined;
	return compileLogFormat(line.words.join(' '), context.at(line.place, 'log-format'), { shared: true });
}

/**
 * Where a peers section speaks: to the targets of its own `log` lines (manual, 3.5 `log`), as messages of syslog, and to
 * the program's log. Without `log` lines it is the program's log alone. What is only news (a session came or went) is
 * written there in detail only, once the section has a log of its own; warnings are written in both.
 */
import type { GlobalModel, PeersModel } from '../config/model.js';
import type { Clock } from '../core/clock.js';
import type { Logger } from '../core/logger.js';
import type { PeersLog } from '../peers/connection.js';
import type { LogRing } from '../shared/log-ring.js';
import { TrafficLogTargets } from '../stream/log.js';

const LEVEL_WARNING = 4;
const LEVEL_NOTICE = 5;

/** The logs of all sections of one configuration. */
export class PeersLogs {
	readonly #targets: TrafficLogTargets;
	readonly #logger: Logger;

	constructor(
		global: Pick<GlobalModel, 'logTag' | 'logSendHostname'>,
		rings: ReadonlyMap<string, LogRing>,
		clock: Clock,
		logger: Logger,
	) {
		this.#targets = new TrafficLogTargets(global, clock, logger, rings);
		this.#logger = logger;
	}

	of(model: Pick<PeersModel, 'logTargets'>): PeersLog {
		const logger = this.#logger;
		const own = this.#targets.logFor(model.logTargets);
		if (own === undefined) return logger;
		return {
			info(text) {
				own.write(LEVEL_NOTICE, text);
				logger.debug(text);
			},
			warn(text) {
				own.write(LEVEL_WARNING, text);
				logger.warn(text);
			},
		};
	}

	/** No section speaks to them any more. */
	close(): void {
		this.#targets.end(() => undefined);
	}
}

/** Conf files under both programs: share 1 of 2, so that neither takes too long (conf-comparison.ts). */
import { compareConfFiles } from '../fixtures/conf-comparison.js';

compareConfFiles(0, 2);

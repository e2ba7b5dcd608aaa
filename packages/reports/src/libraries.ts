import { createRequire } from 'node:module';
import type * as echartsTypes from 'echarts';
import type sharpTypes from 'sharp';

const require = createRequire(import.meta.url);

/** Required: that is one file, where an import would load five hundred and take four times as long. */
export const echarts = require('echarts') as typeof echartsTypes;
export const sharp = require('sharp') as typeof sharpTypes;

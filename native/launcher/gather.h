#pragma once

/* Makes `target` anew with all of the images of a checkpoint's directory. 0 or a negative errno; may take long. */
int gather_images(const char *checkpoint, const char *target);

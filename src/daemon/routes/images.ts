/**
 * Image routes: Docker's list, inspect and remove; thaw's build and export.
 */
import { buildSchema, exportSchema, imageListQuerySchema, imageRemoveQuerySchema } from "../../api/images.ts";
import type { RouteName } from "../../api/routes.ts";
import type { Handler } from "../call.ts";
import type { Parts } from "../parts.ts";

type ImageRoutes = "imageList" | "imageInspect" | "imageRemove" | "buildCreate" | "imageExport";

export function imageRoutes({ images }: Parts): Record<ImageRoutes & RouteName, Handler> {
  return {
    imageList: async (call) => {
      call.query(imageListQuerySchema);
      call.json(images.list());
    },
    imageInspect: async (call) => call.json(images.inspect(call.param("name"))),
    imageRemove: async (call) => {
      const { force } = call.query(imageRemoveQuerySchema);
      call.json(await images.remove(call.param("name"), force));
    },
    buildCreate: async (call) => {
      const request = await call.body(buildSchema);
      await call.progress((line) => images.build(request, line, call.signal));
    },
    imageExport: async (call) => {
      const { image, directory } = await call.body(exportSchema);
      await images.exportRootfs(image, directory, call.signal);
      call.json({});
    },
  };
}

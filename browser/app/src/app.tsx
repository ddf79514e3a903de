import { CSPProvider } from '@base-ui/react/csp-provider'
import { DirectionProvider } from '@base-ui/react/direction-provider'
import { QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { Asking } from './lib/asking'
import { queries } from './lib/query'
import { dir, useLanguage } from './lib/words'
import { router } from './router'
import { Overlay } from './signin/overlay'
import { Toasts } from './ui/toast'

export function App() {
  const language = useLanguage()
  return (
    <CSPProvider disableStyleElements>
      <DirectionProvider direction={dir()}>
        <QueryClientProvider client={queries}>
          <Asking>
            <Toasts key={language}>
              <RouterProvider router={router} />
              <Overlay />
            </Toasts>
          </Asking>
        </QueryClientProvider>
      </DirectionProvider>
    </CSPProvider>
  )
}

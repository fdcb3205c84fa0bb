// Every visible text whose contrast is below WCAG AA, as "ratio text".
() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true })
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1)
    canvas.fillStyle = colour
    canvas.fillRect(0, 0, 1, 1)
    const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data
    return [red, green, blue, alpha / 255]
  }
  const over = ([r, g, b, a], [r2, g2, b2]) =>
    [r * a + r2 * (1 - a), g * a + g2 * (1 - a), b * a + b2 * (1 - a), 1]
  const luminance = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((part) => {
      const c = part / 255
      return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const contrast = (one, other) => {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b)
    return (light + 0.05) / (dark + 0.05)
  }
  const background = (element) => {
    const layers = []
    const { width, height } = element.getBoundingClientRect()
    for (let one = element; one; one = one.parentElement) {
      const style = getComputedStyle(one)
      const box = one.getBoundingClientRect()
      if (box.width < width || box.height < height) continue // a slider's thumb below its value
      const stops = style.backgroundImage.match(/rgba?\([^)]*\)/g)
      layers.push(rgba(stops ? stops[0] : style.backgroundColor))
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255, 1])
  }
  const opacity = (element) => {
    let product = 1
    for (let one = element; one; one = one.parentElement) product *= getComputedStyle(one).opacity
    return product
  }
  const found = []
  const check = (element, colour, text) => {
    const style = getComputedStyle(element)
    const size = parseFloat(style.fontSize)
    const isLarge = size >= 24 || (size >= 18.66 && style.fontWeight >= 700)
    const isIcon = style.fontFamily.includes("Material")
    const behind = background(element)
    const [r, g, b, a] = rgba(colour)
    const ratio = contrast(over([r, g, b, a * opacity(element)], behind), behind)
    if (ratio < (isLarge || isIcon ? 3 : 4.5)) found.push(`${ratio.toFixed(2)} ${text}`)
  }
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes]
      .filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.data.trim()).join("")
    const isSeen = element.checkVisibility({ visibilityProperty: true, opacityProperty: true })
    const box = element.getBoundingClientRect()
    if (!isSeen || box.width <= 1 || element.closest(":disabled, [aria-disabled=true], script, style, svg")) continue
    if (text) check(element, getComputedStyle(element).color, text.slice(0, 40))
    if (element.placeholder && !element.value) {
      check(element, getComputedStyle(element, "::placeholder").color, element.placeholder)
    }
  }
  return found
}

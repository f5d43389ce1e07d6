"use strict";
(() => {
  // The volumes in three planes, drawn by NiiVue once the reader comes near. Without WebGL 2 the still pictures stay.
  const blocks = [...document.querySelectorAll(".viewer")];
  const library = document.getElementById("niivue-library");
  if (!blocks.length || !library) return;

  const webgl = () => { try { return Boolean(document.createElement("canvas").getContext("webgl2")); } catch { return false; } };
  const load = () => {
    if (window.niivue) return;
    const script = document.createElement("script");
    script.textContent = library.textContent;
    document.head.append(script);
  };

  async function start(block) {
    const say = (text) => { block.querySelector(".why").textContent = text; };
    if (!webgl()) { say("This browser gives no WebGL 2, so the still picture is shown."); return; }
    load();
    const { Niivue, NVImage, SLICE_TYPE, DRAG_MODE } = window.niivue;
    const kept = JSON.parse(document.getElementById(block.dataset.volumes).textContent);
    block.classList.add("live");
    const viewer = new Niivue({
      backColor: [0, 0, 0, 1], crosshairColor: [1, 0.71, 0.33, 0.9], crosshairWidth: 0.25, show3Dcrosshair: false, isColorbar: true,
      isRadiologicalConvention: true, sagittalNoseLeft: true, multiplanarShowRender: 0, textHeight: 0.035, dragAndDropEnabled: false,
      isOrientCube: false, dragMode: DRAG_MODE.pan, loadingText: "", logLevel: "silent",
    });
    await viewer.attachToCanvas(block.querySelector(".stage canvas"));
    viewer.addColormap("t2", kept.colours.t2);
    viewer.addColormap("error", kept.colours.error);
    viewer.setSliceType(SLICE_TYPE.MULTIPLANAR);
    const data = kept.volumes;
    const picked = [...block.querySelectorAll("select")], strength = block.querySelector("input[type=range]"), output = block.querySelector("output");
    const state = { under: null, over: null };
    async function show() {
      for (const image of [...viewer.volumes]) viewer.removeVolume(image);
      state.under = data[Number(picked[0].value)];
      state.over = picked[1].value === "" ? null : data[Number(picked[1].value)];
      const add = async (volume, opacity) => {
        const image = await NVImage.loadFromBase64({
          base64: volume.data, name: volume.name + ".nii.gz", colormap: volume.colours, opacity, cal_min: volume.low, cal_max: volume.high,
          colorbarVisible: volume.bar,
        });
        viewer.addVolume(image);
      };
      await add(state.under, 1);
      if (state.over) await add(state.over, Number(strength.value) / 100);
      viewer.updateGLVolume();
    }
    viewer.onLocationChange = (place) => {
      const shown = [state.under, state.over].filter(Boolean);
      const said = place.values.map((value, n) => shown[n] ? `${shown[n].label}: ${Number(value.value).toFixed(shown[n].digits)}${shown[n].unit}` : "");
      output.textContent = said.filter(Boolean).join("   ");
    };
    picked.forEach((choice) => choice.addEventListener("change", show));
    strength.addEventListener("input", () => { if (viewer.volumes.length > 1) viewer.setOpacity(1, Number(strength.value) / 100); });
    await show();
    block.dataset.ready = "true";
  }

  const near = "IntersectionObserver" in window
    ? new IntersectionObserver((entries) => entries.forEach((entry) => {
      if (!entry.isIntersecting || entry.target.dataset.begun) return;
      entry.target.dataset.begun = "true";
      start(entry.target).catch((error) => {
        entry.target.classList.remove("live");
        entry.target.querySelector(".why").textContent = "The viewer could not start (" + error.message + "), so the still picture is shown.";
      });
    }), { rootMargin: "300px" })
    : null;
  blocks.forEach((block) => near?.observe(block));
})();
